/*
 * lua_job: runs one blocking C function for the task that asks.
 *
 * Inside a task the function runs on a worker of the loop and only that task waits. Outside a task (while the program
 * starts, in a plain script) it runs at once, on the calling thread. A binding fills a struct that begins with a
 * struct sm_job and ends with "return sm_job_start(L, &mine->job);".
 */
#ifndef SM_LUA_JOB_H
#define SM_LUA_JOB_H

#include "task.h"

struct sm_job {
	/* Any thread: does the blocking work. Knows nothing of Lua. */
	void (*run)(struct sm_job *job);
	/* Loop thread: pushes the results and returns their number. May raise. */
	int (*push)(lua_State *L, struct sm_job *job);
	/* Loop thread: frees the job and what it owns. Called once, also when the task went away. */
	void (*free)(struct sm_job *job);
	struct sm_wait wait; /* private */
	struct sm_work work; /* private */
	bool finished;       /* private: run has returned */
	bool abandoned;      /* private: nobody waits any more */
};

/* Takes the job. Gives the results of push, at once or when the task goes on. */
int sm_job_start(lua_State *L, struct sm_job *job);
/* For bindings with threads of their own: pushes the results under protection, frees the job, returns their number. */
int sm_job_deliver(lua_State *L, struct sm_job *job);

#endif
