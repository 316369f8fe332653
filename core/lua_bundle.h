/*
 * lua_bundle: how scripts are found in a program that carries them (core/bundle.h).
 *
 * A name below lua/ means, in this order: the file under the host's root when it differs from the bundled one, the
 * bundled one, the file in the folder of layers (/opt/lua). Bytecode comes from the bundle only; files are text.
 */
#ifndef SM_LUA_BUNDLE_H
#define SM_LUA_BUNDLE_H

#include <lua.h>
#include <stdbool.h>

/* Where Lambda unpacks layers; $SEWING_LAYERS names another folder, for tests. */
#define SM_BUNDLE_LAYERS "/opt"

/* Pushes the chunk of a Lua file below lua/ and returns true, or pushes what is wrong. */
bool sm_bundle_load(lua_State *L, const char *name);
/* Lets require find modules that way, and nothing else; package.path names root and layers for package.searchpath. */
void sm_bundle_searcher(lua_State *L, const char *root);

#endif
