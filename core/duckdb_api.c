/* See duckdb_api.h. */
#include "duckdb_api.h"

#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libduckdb.so"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sm_duckdb_api table;
static _Atomic(const struct sm_duckdb_api *) loaded;

static bool find(void *library, const char *name, void *slot)
{
	void *symbol = dlsym(library, name);
	/* A function pointer travels as bytes: ISO C has no cast from void * to it. */
	memcpy(slot, &symbol, sizeof symbol);
	return symbol != NULL;
}

static const char *fill(void *library)
{
	const char *missing = NULL;

#define FIND(result, name, arguments)                                                                                  \
	if (!find(library, "duckdb_" #name, &table.name))                                                                  \
		missing = "duckdb_" #name;
	SM_DUCKDB_REQUIRED(FIND)
#undef FIND
#define FIND(result, name, arguments) find(library, "duckdb_" #name, &table.name);
	SM_DUCKDB_OPTIONAL(FIND)
#undef FIND
	return missing;
}

static enum sm_status open_library(const char *path, struct sm_error *err)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const char *missing;

	if (library == NULL)
		return sm_fail(err, SM_NOTFOUND, "engine unavailable: %s", dlerror());
	missing = fill(library);
	if (missing != NULL) {
		dlclose(library);
		return sm_fail(err, SM_ENGINE, "engine unavailable: %s has no function %s; DuckDB 1.2 or newer is needed", path,
		               missing);
	}
	snprintf(table.path, sizeof table.path, "%s", path);
	return SM_OK;
}

/* Directory of the running program, without the last slash. */
static bool program_directory(char *out, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", out, size - 1);
	char *slash;

	if (n <= 0)
		return false;
	out[n] = '\0';
	slash = strrchr(out, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	return true;
}

/* Near an installed program (bin/../lib), a built one (build/dev/sewing, build/lib) and a built test (build/dev/tests).
 */
static enum sm_status open_beside_program(struct sm_error *err)
{
	static const char *const places[] = {"../lib/" LIBRARY, "../../lib/" LIBRARY, "lib/" LIBRARY,
	                                     "../build/lib/" LIBRARY};
	char directory[PATH_MAX], path[PATH_MAX + 32];

	if (!program_directory(directory, sizeof directory))
		return SM_NOTFOUND;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		snprintf(path, sizeof path, "%s/%s", directory, places[i]);
		if (access(path, R_OK) == 0)
			return open_library(path, err);
	}
	return SM_NOTFOUND;
}

static enum sm_status search(struct sm_error *err)
{
	const char *wanted = getenv("SM_DUCKDB_LIB");
	enum sm_status status;

	if (wanted != NULL && wanted[0] != '\0')
		return open_library(wanted, err);
	status = open_beside_program(err);
	if (status != SM_NOTFOUND)
		return status;
	if (open_library(LIBRARY, err) == SM_OK)
		return SM_OK;
	return sm_fail(err, SM_NOTFOUND,
	               "engine unavailable: no " LIBRARY
	               " found; run cmake/fetch-duckdb.sh build/lib or point SM_DUCKDB_LIB at a copy");
}

enum sm_status sm_duckdb_load(const char *path, const struct sm_duckdb_api **out, struct sm_error *err)
{
	enum sm_status status = SM_OK;

	pthread_mutex_lock(&lock);
	if (atomic_load(&loaded) == NULL) {
		status = path != NULL ? open_library(path, err) : search(err);
		if (status == SM_OK)
			atomic_store(&loaded, &table);
	}
	pthread_mutex_unlock(&lock);
	if (status == SM_OK && out != NULL)
		*out = &table;
	return status;
}

const struct sm_duckdb_api *sm_duckdb_api(void)
{
	return atomic_load(&loaded);
}
