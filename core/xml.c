#include "xml.h"

#include "buf.h"

#include <expat.h>
#include <stdlib.h>
#include <string.h>

#define PIECE ((size_t)1 << 20) /* bytes handed to expat at once: its lengths are int */

/* An element that is open: its node and where its text begins in the stack of texts. */
struct open_node {
	uint32_t node;
	size_t text;
};

struct reader {
	XML_Parser parser;
	struct sm_buf nodes, attributes, store;
	struct sm_buf texts; /* of the open elements, one behind the other; a closing element takes its own away */
	struct open_node open[SM_XML_DEPTH_MAX + 1];
	uint32_t depth;
	enum sm_status status;
	const char *refused;
};

static void stop(struct reader *r, enum sm_status status, const char *why)
{
	if (r->status == SM_OK) {
		r->status = status;
		r->refused = why;
	}
	XML_StopParser(r->parser, XML_FALSE);
}

static struct sm_xml_node *node_at(struct reader *r, uint32_t index)
{
	return (struct sm_xml_node *)(void *)r->nodes.data + index;
}

/* Copies bytes to the store; false when that failed and the parser was stopped. */
static bool keep(struct reader *r, const char *bytes, size_t len, struct sm_xml_text *text)
{
	*text = (struct sm_xml_text){(uint32_t)r->store.len, (uint32_t)len};
	if (sm_buf_add(&r->store, bytes, len) == SM_OK)
		return true;
	stop(r, SM_LIMIT, "the document is too large");
	return false;
}

static bool add_attributes(struct reader *r, struct sm_xml_node *node, const XML_Char **list)
{
	node->attribute = (uint32_t)(r->attributes.len / sizeof(struct sm_xml_attribute));
	for (; *list != NULL; list += 2) {
		struct sm_xml_attribute attribute;
		if (!keep(r, list[0], strlen(list[0]), &attribute.name) || !keep(r, list[1], strlen(list[1]), &attribute.value))
			return false;
		if (sm_buf_add(&r->attributes, &attribute, sizeof(attribute)) != SM_OK) {
			stop(r, SM_LIMIT, "the document has too many attributes");
			return false;
		}
		node->attributes++;
	}
	return true;
}

/* Hangs the node of this index below the innermost open element. */
static void link_node(struct reader *r, uint32_t index)
{
	if (r->depth == 0)
		return;
	struct sm_xml_node *parent = node_at(r, r->open[r->depth].node);
	if (parent->last_child != 0)
		node_at(r, parent->last_child)->next = index;
	else
		parent->first_child = index;
	parent->last_child = index;
	parent->children++;
}

static void on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
	struct reader *r = user;
	struct sm_xml_node node = {0};
	uint32_t index = (uint32_t)(r->nodes.len / sizeof(node));
	if (r->status != SM_OK)
		return;
	if (r->depth == SM_XML_DEPTH_MAX) {
		stop(r, SM_LIMIT, "elements are nested too deeply");
		return;
	}
	const char *colon = strchr(name, ':');
	const char *local = colon != NULL ? colon + 1 : name;
	if (!keep(r, local, strlen(local), &node.name))
		return;
	if (colon != NULL && !keep(r, name, (size_t)(colon - name), &node.prefix))
		return;
	if (!add_attributes(r, &node, attributes))
		return;
	if (sm_buf_add(&r->nodes, &node, sizeof(node)) != SM_OK) {
		stop(r, SM_LIMIT, "the document has too many elements");
		return;
	}
	link_node(r, index);
	r->open[++r->depth] = (struct open_node){index, r->texts.len};
}

static bool only_space(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strchr(" \t\r\n", text[i]) == NULL || text[i] == '\0')
			return false;
	return true;
}

static void on_end(void *user, const XML_Char *name)
{
	struct reader *r = user;
	(void)name;
	if (r->status != SM_OK)
		return;
	struct open_node *open = &r->open[r->depth--];
	size_t len = r->texts.len - open->text;
	const char *text = len > 0 ? r->texts.data + open->text : "";
	struct sm_xml_node *node = node_at(r, open->node);
	if (node->first_child != 0 && only_space(text, len))
		len = 0;
	keep(r, text, len, &node->text);
	r->texts.len = open->text;
}

static void on_text(void *user, const XML_Char *text, int len)
{
	struct reader *r = user;
	if (r->status == SM_OK && sm_buf_add(&r->texts, text, (size_t)len) != SM_OK)
		stop(r, SM_LIMIT, "the document is too large");
}

static void on_doctype(void *user, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid, int internal)
{
	(void)name, (void)sysid, (void)pubid, (void)internal;
	stop(user, SM_REFUSED, "a document type is not accepted");
}

static bool begin(struct reader *r)
{
	/* Our own malloc, so that the tests can make any allocation fail. */
	static const XML_Memory_Handling_Suite memory = {malloc, realloc, free};
	static const struct sm_xml_node none;
	r->parser = XML_ParserCreate_MM(NULL, &memory, NULL);
	if (r->parser == NULL || sm_buf_add(&r->nodes, &none, sizeof(none)) != SM_OK)
		return false;
	XML_SetUserData(r->parser, r);
	XML_SetElementHandler(r->parser, on_start, on_end);
	XML_SetCharacterDataHandler(r->parser, on_text);
	XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
	return true;
}

static enum sm_status say_what(struct reader *r, struct sm_error *err)
{
	enum XML_Error code = XML_GetErrorCode(r->parser);
	unsigned long line = (unsigned long)XML_GetCurrentLineNumber(r->parser);
	unsigned long column = (unsigned long)XML_GetCurrentColumnNumber(r->parser) + 1;
	if (r->status != SM_OK)
		return sm_fail(err, r->status, "%s (line %lu, column %lu)", r->refused, line, column);
	if (code == XML_ERROR_NO_MEMORY)
		return sm_fail(err, SM_NOMEM, "no memory");
	return sm_fail(err, SM_INVALID, "invalid XML at line %lu, column %lu: %s", line, column, XML_ErrorString(code));
}

static enum sm_status feed(struct reader *r, const char *text, size_t len, struct sm_error *err)
{
	size_t at = 0;
	do {
		size_t piece = len - at < PIECE ? len - at : PIECE;
		if (XML_Parse(r->parser, text + at, (int)piece, at + piece == len) != XML_STATUS_OK)
			return say_what(r, err);
		at += piece;
	} while (at < len);
	return SM_OK;
}

enum sm_status sm_xml_parse(const char *text, size_t len, struct sm_xml *xml, struct sm_error *err)
{
	struct reader *r = calloc(1, sizeof(*r));
	enum sm_status status = SM_NOMEM;
	size_t bytes;
	*xml = (struct sm_xml){0};
	if (r == NULL)
		return sm_fail(err, SM_NOMEM, "no memory");
	sm_buf_init(&r->nodes, SM_XML_SIZE_MAX);
	sm_buf_init(&r->attributes, SM_XML_SIZE_MAX);
	sm_buf_init(&r->store, SM_XML_SIZE_MAX);
	sm_buf_init(&r->texts, SM_XML_SIZE_MAX);
	if (!begin(r)) {
		sm_fail(err, SM_NOMEM, "no memory");
		goto done;
	}
	status = feed(r, text, len, err);
	if (status != SM_OK)
		goto done;
	xml->nodes = (struct sm_xml_node *)(void *)sm_buf_take(&r->nodes, &bytes);
	xml->node_count = (uint32_t)(bytes / sizeof(*xml->nodes)) - 1;
	xml->attributes = (struct sm_xml_attribute *)(void *)sm_buf_take(&r->attributes, &bytes);
	xml->attribute_count = (uint32_t)(bytes / sizeof(*xml->attributes));
	xml->store = sm_buf_take(&r->store, &bytes);
done:
	if (r->parser != NULL)
		XML_ParserFree(r->parser);
	sm_buf_free(&r->nodes);
	sm_buf_free(&r->attributes);
	sm_buf_free(&r->store);
	sm_buf_free(&r->texts);
	free(r);
	return status;
}

void sm_xml_free(struct sm_xml *xml)
{
	free(xml->nodes);
	free(xml->attributes);
	free(xml->store);
	*xml = (struct sm_xml){0};
}
