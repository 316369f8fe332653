/*
 * xml: an XML document as a tree, read by expat.
 *
 * For answers of web services: elements, attributes and text, no more. A document type is refused, so there are no
 * entities to expand and nothing outside the text is read; depth is bounded. Names keep their prefix apart, prefixes
 * are not resolved. Relies on expat; knows no Lua.
 */
#ifndef SM_XML_H
#define SM_XML_H

#include "status.h"

#include <stdbool.h>
#include <stdint.h>

#define SM_XML_DEPTH_MAX 200
#define SM_XML_SIZE_MAX ((size_t)256 << 20) /* bytes of names and text together */

/* Bytes in the document's text store. */
struct sm_xml_text {
	uint32_t at, len;
};

struct sm_xml_attribute {
	struct sm_xml_text name, value; /* the name as written: "xsi:type", "xmlns" */
};

/* Nodes are numbered from 1 in the order of their start tags; 0 is none. */
struct sm_xml_node {
	struct sm_xml_text name, prefix; /* "Contents", "" */
	struct sm_xml_text text;         /* its own text pieces joined; nothing if white space between children */
	uint32_t first_child, last_child, next, children;
	uint32_t attribute, attributes; /* the first one's index, how many */
};

struct sm_xml {
	struct sm_xml_node *nodes; /* nodes[1] is the root */
	struct sm_xml_attribute *attributes;
	char *store;
	uint32_t node_count, attribute_count;
};

/* Reads a whole document. xml is filled on SM_OK and freed by sm_xml_free; SM_INVALID says line and column. */
enum sm_status sm_xml_parse(const char *text, size_t len, struct sm_xml *xml, struct sm_error *err);
/* Harmless for a zeroed or freed document. */
void sm_xml_free(struct sm_xml *xml);

#endif
