/*
 * sm.xml: XML as tables. A node is { name = "Contents", [1] = child, ... }; besides, when there are any:
 * text (an element without children always has it, "" when empty), prefix ("s3" of s3:Contents), attributes
 * { ["xsi:type"] = "Group" }, names as written. White space between children is dropped, any other text is kept.
 */
#include "lua_libs.h"
#include "lua_result.h"
#include "xml.h"

#include <lauxlib.h>

#define DOCUMENT_TYPE "sm.xml.document"

static int document_gc(lua_State *L)
{
	sm_xml_free(luaL_checkudata(L, 1, DOCUMENT_TYPE));
	return 0;
}

static void push_text(lua_State *L, const struct sm_xml *xml, struct sm_xml_text text)
{
	lua_pushlstring(L, xml->store + text.at, text.len);
}

static void push_attributes(lua_State *L, const struct sm_xml *xml, const struct sm_xml_node *node)
{
	lua_createtable(L, 0, (int)node->attributes);
	for (uint32_t i = 0; i < node->attributes; i++) {
		const struct sm_xml_attribute *attribute = &xml->attributes[node->attribute + i];
		push_text(L, xml, attribute->name);
		push_text(L, xml, attribute->value);
		lua_rawset(L, -3);
	}
}

/* As deep as the document, which is bounded. */
static void push_node(lua_State *L, const struct sm_xml *xml, const struct sm_xml_node *node)
{
	luaL_checkstack(L, 4, "the XML is nested too deeply");
	lua_createtable(L, (int)node->children, 2 + (node->attributes > 0));
	push_text(L, xml, node->name);
	lua_setfield(L, -2, "name");
	if (node->prefix.len > 0) {
		push_text(L, xml, node->prefix);
		lua_setfield(L, -2, "prefix");
	}
	if (node->first_child == 0 || node->text.len > 0) {
		push_text(L, xml, node->text);
		lua_setfield(L, -2, "text");
	}
	if (node->attributes > 0) {
		push_attributes(L, xml, node);
		lua_setfield(L, -2, "attributes");
	}
	lua_Integer position = 0;
	for (uint32_t child = node->first_child; child != 0; child = xml->nodes[child].next) {
		push_node(L, xml, &xml->nodes[child]);
		lua_rawseti(L, -2, ++position);
	}
}

/*
 * parse(text) -> the root's node | nil, message, code ("invalid": no well-formed XML; "refused": a document type;
 * "limit": nested too deeply). Any encoding that the document declares and expat knows; the result is UTF-8.
 */
static int l_parse(lua_State *L)
{
	struct sm_error err;
	size_t len;
	const char *text = luaL_checklstring(L, 1, &len);
	struct sm_xml *xml = lua_newuserdatauv(L, sizeof(*xml), 0);
	*xml = (struct sm_xml){0};
	luaL_setmetatable(L, DOCUMENT_TYPE);
	if (sm_xml_parse(text, len, xml, &err) != SM_OK)
		return sm_push_error(L, &err);
	push_node(L, xml, &xml->nodes[1]);
	sm_xml_free(xml);
	return 1;
}

static const luaL_Reg functions[] = {{"parse", l_parse}, {NULL, NULL}};

int luaopen_sm_xml(lua_State *L)
{
	luaL_newmetatable(L, DOCUMENT_TYPE);
	lua_pushcfunction(L, document_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	luaL_newlib(L, functions);
	return 1;
}
