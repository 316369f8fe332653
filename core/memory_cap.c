#include "memory_cap.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Private writable memory of the process, as RLIMIT_DATA counts it; 0 when the system does not tell. */
static uint64_t mapped_bytes(void)
{
	unsigned long long data = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL)
		return 0;
	if (fscanf(f, "%*u %*u %*u %*u %*u %llu", &data) != 1)
		data = 0;
	fclose(f);
	return (uint64_t)data * (uint64_t)sysconf(_SC_PAGESIZE);
}

enum sm_status sm_memory_cap(uint64_t growth_bytes, struct sm_error *err)
{
	struct rlimit limit;
	rlim_t wanted = (rlim_t)(mapped_bytes() + growth_bytes);

	if (getrlimit(RLIMIT_DATA, &limit) != 0)
		return sm_fail(err, SM_IO, "cannot read the memory limit: %s", strerror(errno));
	if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur <= wanted)
		return SM_OK;
	if (limit.rlim_max != RLIM_INFINITY && wanted > limit.rlim_max)
		wanted = limit.rlim_max;
	limit.rlim_cur = wanted;
	if (setrlimit(RLIMIT_DATA, &limit) != 0)
		return sm_fail(err, SM_IO, "cannot limit memory: %s", strerror(errno));
	return SM_OK;
}
