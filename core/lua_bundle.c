/*
 * sm.bundle: files below lua/, wherever they are: on the disk, inside the program, or in a layer (lua_bundle.h).
 * Names are relative to lua/ ("usecases/lakehouse/run.lua"); an absolute path below the lua/ of the root or of a layer
 * means the same, and one elsewhere means that file. Reads block; they are small and happen once.
 */
#include "lua_bundle.h"

#include "bundle.h"
#include "lua_libs.h"
#include "lua_result.h"
#include "vm.h"

#include <dirent.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum from { FROM_NOWHERE, FROM_DISK, FROM_BUNDLE };

struct place {
	enum from from;
	struct sm_bundle_file file; /* when it is bundled, even if the disk wins */
	char path[PATH_MAX];        /* on the disk */
};

static const char *root_of(lua_State *L)
{
	return (*(struct sm_host **)lua_getextraspace(L))->root;
}

static const char *layers(void)
{
	const char *given = getenv("SEWING_LAYERS");

	return given != NULL && given[0] != '\0' ? given : SM_BUNDLE_LAYERS;
}

/* What follows FOLDER/lua/ in name; NULL when name lies elsewhere. */
static const char *below(const char *folder, const char *name)
{
	size_t len = strlen(folder);

	return strncmp(name, folder, len) == 0 && strncmp(name + len, "/lua/", 5) == 0 ? name + len + 5 : NULL;
}

static bool is_file(const char *folder, const char *name, char path[PATH_MAX], struct stat *st)
{
	int len =
	    name[0] == '/' ? snprintf(path, PATH_MAX, "%s", name) : snprintf(path, PATH_MAX, "%s/lua/%s", folder, name);

	return len < PATH_MAX && stat(path, st) == 0 && S_ISREG(st->st_mode);
}

static void locate(lua_State *L, const char *name, struct place *place)
{
	const struct sm_bundle *bundle = sm_bundle_own();
	struct stat st;
	bool bundled = sm_bundle_find(bundle, name, strlen(name), &place->file);

	place->from = FROM_NOWHERE;
	if (is_file(root_of(L), name, place->path, &st) &&
	    !(bundled && sm_bundle_is_same(&place->file, place->path, (uint64_t)st.st_size, (int64_t)st.st_mtime)))
		place->from = FROM_DISK;
	else if (bundled)
		place->from = FROM_BUNDLE;
	else if (is_file(layers(), name, place->path, &st))
		place->from = FROM_DISK;
}

static const char *check_name(lua_State *L, int arg)
{
	const char *name = luaL_checkstring(L, arg);
	const char *inner = below(root_of(L), name);

	luaL_argcheck(L, strlen(name) == lua_rawlen(L, arg), arg, "contains a NUL byte");
	if (inner == NULL)
		inner = below(layers(), name);
	return inner != NULL ? inner : name;
}

static int not_found(lua_State *L, const char *name)
{
	return sm_push_fail(L, SM_NOTFOUND, "there is no lua/%s", name);
}

/* Pushes the chunk, or its message. */
static int load_place(lua_State *L, const struct place *place)
{
	if (place->from == FROM_DISK)
		return luaL_loadfilex(L, place->path, "t");
	return luaL_loadbufferx(L, place->file.data, place->file.len, "bundle", place->file.is_bytecode ? "b" : "t");
}

bool sm_bundle_load(lua_State *L, const char *name)
{
	struct place place;

	locate(L, name, &place);
	if (place.from == FROM_NOWHERE) {
		lua_pushfstring(L, "there is no lua/%s", name);
		return false;
	}
	return load_place(L, &place) == LUA_OK;
}

/* ---- the module ---- */

/* load(name, environment?) -> function | nil, message, code. What a Lua file is compiled to. */
static int l_load(lua_State *L)
{
	const char *name = check_name(L, 1);
	bool has_environment = !lua_isnoneornil(L, 2);
	struct place place;

	lua_settop(L, 2);
	locate(L, name, &place);
	if (place.from == FROM_NOWHERE)
		return not_found(L, name);
	if (load_place(L, &place) != LUA_OK)
		return sm_push_fail(L, SM_INVALID, "%s", lua_tostring(L, -1));
	if (has_environment) {
		lua_pushvalue(L, 2);
		if (lua_setupvalue(L, -2, 1) == NULL) /* a chunk that uses no global has none */
			lua_pop(L, 1);
	}
	return 1;
}

/* The whole file; nothing that could raise happens while it is open. */
static int read_disk(lua_State *L, const char *path)
{
	struct stat st;
	luaL_Buffer buffer;
	size_t size = stat(path, &st) == 0 ? (size_t)st.st_size : 0, len = 0;
	char *text = luaL_buffinitsize(L, &buffer, size + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : 1;

	while (got > 0 && len < size) {
		got = read(fd, text + len, size - len);
		len += got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		close(fd);
	if (got < 0)
		return sm_push_fail(L, SM_IO, "cannot read %s", path);
	luaL_pushresultsize(&buffer, len);
	return 1;
}

/* read(name) -> text | nil, message, code. "closed" when only its bytecode is here. */
static int l_read(lua_State *L)
{
	const char *name = check_name(L, 1);
	struct place place;
	struct stat st;

	locate(L, name, &place);
	if (place.from == FROM_NOWHERE)
		return not_found(L, name);
	if (place.from == FROM_DISK || is_file(root_of(L), name, place.path, &st))
		return read_disk(L, place.path);
	if (place.file.is_bytecode)
		return sm_push_fail(L, SM_CLOSED, "of lua/%s only the bytecode is here", name);
	lua_pushlstring(L, place.file.data, place.file.len);
	return 1;
}

/* exists(name) -> whether load would find it. */
static int l_exists(lua_State *L)
{
	struct place place;

	locate(L, check_name(L, 1), &place);
	lua_pushboolean(L, place.from != FROM_NOWHERE);
	return 1;
}

/* find(name) -> path on the disk | nil. For files that are opened by path: under the root, else in a layer. */
static int l_find(lua_State *L)
{
	const char *name = check_name(L, 1);
	char path[PATH_MAX];
	struct stat st;

	if (!is_file(root_of(L), name, path, &st) && !is_file(layers(), name, path, &st))
		return 0;
	lua_pushstring(L, path);
	return 1;
}

static void add_names_on_disk(lua_State *L, const char *root, const char *folder)
{
	char path[PATH_MAX];
	DIR *dir;

	int len = folder[0] == '/' ? snprintf(path, sizeof path, "%s", folder)
	                           : snprintf(path, sizeof path, "%s/lua/%s", root, folder);
	if (len >= (int)sizeof path || (dir = opendir(path)) == NULL)
		return;
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (entry->d_name[0] == '.' || entry->d_type == DT_DIR)
			continue;
		lua_pushboolean(L, 1);
		lua_setfield(L, -2, entry->d_name);
	}
	closedir(dir);
}

static void add_names_bundled(lua_State *L, const char *folder)
{
	const struct sm_bundle *bundle = sm_bundle_own();
	struct sm_bundle_file file;
	size_t len = strlen(folder);

	for (uint32_t i = 0; sm_bundle_at(bundle, i, &file); i++) {
		if (file.name_len <= len + 1 || memcmp(file.name, folder, len) != 0 || file.name[len] != '/' ||
		    memchr(file.name + len + 1, '/', file.name_len - len - 1) != NULL)
			continue;
		lua_pushlstring(L, file.name + len + 1, file.name_len - len - 1);
		lua_pushboolean(L, 1);
		lua_settable(L, -3);
	}
}

/* list(folder) -> set of the names of the files in a folder below lua/: { ["run.lua"] = true }. */
static int l_list(lua_State *L)
{
	const char *folder = check_name(L, 1);

	lua_newtable(L);
	add_names_on_disk(L, root_of(L), folder);
	add_names_on_disk(L, layers(), folder);
	add_names_bundled(L, folder);
	return 1;
}

int luaopen_sm_bundle(lua_State *L)
{
	static const luaL_Reg module[] = {{"load", l_load}, {"read", l_read}, {"exists", l_exists},
	                                  {"find", l_find}, {"list", l_list}, {NULL, NULL}};

	luaL_newlib(L, module);
	lua_pushfstring(L, "%s/lua", root_of(L));
	lua_setfield(L, -2, "folder");
	lua_pushinteger(L, (lua_Integer)sm_bundle_own()->count);
	lua_setfield(L, -2, "count");
	return 1;
}

/* ---- require ---- */

static void locate_module(lua_State *L, const char *module, struct place *place, const char **name)
{
	const char *path = luaL_gsub(L, module, ".", "/");

	*name = lua_pushfstring(L, "%s.lua", path);
	locate(L, *name, place);
	if (place->from != FROM_NOWHERE)
		return;
	*name = lua_pushfstring(L, "%s/init.lua", path);
	locate(L, *name, place);
}

/* The searcher: a loader and where it came from, or why not. */
static int l_search(lua_State *L)
{
	const char *module = luaL_checkstring(L, 1), *name;
	struct place place;

	locate_module(L, module, &place, &name);
	if (place.from == FROM_NOWHERE) {
		lua_pushfstring(L, "no lua/%s under %s, in the program or under %s", name, root_of(L), layers());
		return 1;
	}
	if (load_place(L, &place) != LUA_OK)
		return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", module, name, lua_tostring(L, -1));
	lua_pushstring(L, place.from == FROM_DISK ? place.path : name);
	return 2;
}

void sm_bundle_searcher(lua_State *L, const char *root)
{
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "searchers");
	for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i > 1; i--) {
		lua_pushnil(L);
		lua_rawseti(L, -2, i);
	}
	lua_pushcfunction(L, l_search);
	lua_rawseti(L, -2, 2);
	lua_pushfstring(L, "%s/lua/?.lua;%s/lua/?/init.lua;%s/lua/?.lua;%s/lua/?/init.lua", root, root, layers(), layers());
	lua_setfield(L, -3, "path");
	lua_pop(L, 2);
}
