#include "../../core/xml.h"
#include "sweep.h"

static struct sm_error err;

static bool is(const struct sm_xml *xml, struct sm_xml_text text, const char *expected)
{
	return text.len == strlen(expected) && memcmp(xml->store + text.at, expected, text.len) == 0;
}

static enum sm_status parse(const char *text, struct sm_xml *xml)
{
	return sm_xml_parse(text, strlen(text), xml, &err);
}

TEST(reads_a_tree)
{
	struct sm_xml xml;
	CHECK(parse("<?xml version='1.0'?>\n<a xmlns='u' b='1&amp;2'>\n <s:c> x </s:c>\n <d/>\n</a>\n", &xml) == SM_OK);
	CHECK(xml.node_count == 3);
	const struct sm_xml_node *a = &xml.nodes[1], *c = &xml.nodes[a->first_child], *d = &xml.nodes[c->next];
	CHECK(is(&xml, a->name, "a") && a->children == 2 && a->text.len == 0);
	CHECK(a->attributes == 2 && is(&xml, xml.attributes[1].name, "b") && is(&xml, xml.attributes[1].value, "1&2"));
	CHECK(is(&xml, c->name, "c") && is(&xml, c->prefix, "s") && is(&xml, c->text, " x "));
	CHECK(is(&xml, d->name, "d") && d->next == 0 && d->text.len == 0);
	sm_xml_free(&xml);
	sm_xml_free(&xml);
}

TEST(joins_the_pieces_of_a_text)
{
	struct sm_xml xml;
	CHECK(parse("<a>one<b>in<!-- no -->ner</b><![CDATA[<two>]]>&#233;&lt;</a>", &xml) == SM_OK);
	CHECK(is(&xml, xml.nodes[1].text, "one<two>\303\251<"));
	CHECK(is(&xml, xml.nodes[2].text, "inner"));
	sm_xml_free(&xml);
}

TEST(refuses_what_is_no_plain_document)
{
	struct sm_xml xml;
	CHECK(parse("", &xml) == SM_INVALID);
	CHECK(parse("<a>", &xml) == SM_INVALID);
	CHECK(parse("<a></b>", &xml) == SM_INVALID && strstr(err.message, "line 1, column 6") != NULL);
	CHECK(parse("<a>\377</a>", &xml) == SM_INVALID);
	CHECK(parse("<a>&nbsp;</a>", &xml) == SM_INVALID);
	CHECK(parse("<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", &xml) == SM_REFUSED);
	CHECK(parse("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", &xml) == SM_REFUSED);
}

TEST(bounds_the_depth)
{
	struct sm_xml xml;
	char text[7 * (SM_XML_DEPTH_MAX + 1) + 1];
	for (int levels = SM_XML_DEPTH_MAX; levels <= SM_XML_DEPTH_MAX + 1; levels++) {
		char *at = text;
		for (int i = 0; i < levels; i++)
			at += sprintf(at, "<a>");
		for (int i = 0; i < levels; i++)
			at += sprintf(at, "</a>");
		CHECK(parse(text, &xml) == (levels <= SM_XML_DEPTH_MAX ? SM_OK : SM_LIMIT));
		sm_xml_free(&xml);
	}
}

TEST(every_allocation_may_fail)
{
	sweep("local x = require 'sm.xml'\n"
	      "local function work()\n"
	      "  local root = assert(x.parse('<a b=\"1\"><c>' .. ('x'):rep(3000) .. '</c>' .. ('<d e=\"f\"/>'):rep(60) .. "
	      "'</a>'))\n"
	      "  assert(#root == 61 and root[1].text == ('x'):rep(3000))\n"
	      "  assert(not x.parse('<a>'))\n"
	      "end\n"
	      "local ok, err = pcall(work) disarm() if not ok then error(err, 0) end",
	      false);
}

int main(void)
{
	RUN(reads_a_tree);
	RUN(joins_the_pieces_of_a_text);
	RUN(refuses_what_is_no_plain_document);
	RUN(bounds_the_depth);
	RUN(every_allocation_may_fail);
	return check_report();
}
