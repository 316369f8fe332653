#include "lua_job.h"

#include "lua_result.h"

#include <lauxlib.h>
#include <stddef.h>

#define OWNER(type, member, pointer) ((type *)((char *)(pointer)-offsetof(type, member)))

static int push_results(lua_State *L)
{
	struct sm_job *job = lua_touserdata(L, 1);
	lua_settop(L, 0);
	return job->push(L, job);
}

/* push may raise (memory), so it runs protected: the job is freed either way. Nothing before the call allocates. */
int sm_job_deliver(lua_State *L, struct sm_job *job)
{
	int base = lua_gettop(L);
	lua_pushcfunction(L, push_results);
	lua_pushlightuserdata(L, job);
	int status = lua_pcall(L, 1, LUA_MULTRET, 0);
	job->free(job);
	return status == LUA_OK ? lua_gettop(L) - base : lua_error(L);
}

static int job_finish(lua_State *L, struct sm_wait *wait)
{
	return sm_job_deliver(L, OWNER(struct sm_job, wait, wait));
}

/* The worker cannot be stopped; if it still runs, job_done frees the job later. */
static void job_cancel(struct sm_wait *wait)
{
	struct sm_job *job = OWNER(struct sm_job, wait, wait);
	if (job->finished)
		job->free(job);
	else
		job->abandoned = true;
}

static void job_work(struct sm_work *work)
{
	struct sm_job *job = OWNER(struct sm_job, work, work);
	job->run(job);
}

static void job_done(struct sm_work *work, bool dropped)
{
	struct sm_job *job = OWNER(struct sm_job, work, work);
	job->finished = true;
	if (job->abandoned)
		job->free(job);
	else if (!dropped)
		sm_wait_done(&job->wait);
	/* Dropped with somebody waiting: the host is going away and cancels the task, which frees the job. */
}

int sm_job_start(lua_State *L, struct sm_job *job)
{
	job->finished = job->abandoned = false;
	if (!sm_can_wait(L)) {
		job->run(job);
		return sm_job_deliver(L, job);
	}
	job->wait.finish = job_finish;
	job->wait.cancel = job_cancel;
	job->work.work = job_work;
	job->work.done = job_done;
	enum sm_status status = sm_work_submit(sm_loop_of(L), &job->work);
	if (status != SM_OK) {
		job->free(job);
		return sm_push_fail(L, status, "no worker could be started");
	}
	return sm_wait_yield(L, &job->wait);
}
