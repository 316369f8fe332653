/* Native functions on URLs, with the rules of java.net.URI: what it refuses gives NULL. See duckdb_function_row.h. */
#include "duckdb_function_row.h"

#include <stdlib.h>
#include <string.h>

enum part { PROTOCOL, HOST, PORT, PATH, QUERY, FRAGMENT, PARTS };

struct url {
	struct sm_slice parts[PARTS]; /* bytes NULL: absent */
};

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static int hex(char c)
{
	return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_legal(struct sm_slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.bytes[i];
		if (c <= ' ' || c == 0x7f || strchr("\"<>\\^`{|}", c) != NULL)
			return false;
		if (c == '%' && (i + 2 >= s.len || !is_hex(s.bytes[i + 1]) || !is_hex(s.bytes[i + 2])))
			return false;
	}
	return true;
}

/* Cuts the part before, or behind, the first c off rest. */
static bool cut(struct sm_slice *rest, char c, struct sm_slice *behind)
{
	const char *at = rest->len > 0 ? memchr(rest->bytes, c, rest->len) : NULL;

	if (at == NULL)
		return false;
	*behind = (struct sm_slice){at + 1, rest->len - (size_t)(at - rest->bytes) - 1};
	rest->len = (size_t)(at - rest->bytes);
	return true;
}

static void take_scheme(struct sm_slice *rest, struct url *url)
{
	size_t i = 0;

	while (i < rest->len &&
	       (is_alpha(rest->bytes[i]) || (i > 0 && (is_digit(rest->bytes[i]) || strchr("+-.", rest->bytes[i]) != NULL))))
		i++;
	if (i == 0 || i == rest->len || rest->bytes[i] != ':')
		return;
	url->parts[PROTOCOL] = (struct sm_slice){rest->bytes, i};
	rest->bytes += i + 1;
	rest->len -= i + 1;
}

/* user@host:port; what is no host and port leaves both absent, as Java does for registry names. */
static void take_authority(struct sm_slice authority, struct url *url)
{
	struct sm_slice host = authority, port = {NULL, 0};
	const char *at = memrchr(host.bytes, '@', host.len), *bracket;

	if (at != NULL)
		host = (struct sm_slice){at + 1, (size_t)(host.bytes + host.len - at) - 1};
	bracket = host.len > 0 && host.bytes[0] == '[' ? memchr(host.bytes, ']', host.len) : host.bytes;
	at = bracket != NULL ? memchr(bracket, ':', (size_t)(host.bytes + host.len - bracket)) : NULL;
	if (at != NULL) {
		port = (struct sm_slice){at + 1, (size_t)(host.bytes + host.len - at) - 1};
		host.len = (size_t)(at - host.bytes);
	}
	for (size_t i = 0; i < port.len; i++)
		if (!is_digit(port.bytes[i]))
			return;
	for (size_t i = 0; i < host.len && host.bytes[0] != '['; i++)
		if (!is_alpha(host.bytes[i]) && !is_digit(host.bytes[i]) && strchr("-.", host.bytes[i]) == NULL)
			return;
	if (host.len > 0)
		url->parts[HOST] = host;
	if (port.len > 0)
		url->parts[PORT] = port;
}

static bool parse(struct sm_slice text, struct url *url)
{
	struct sm_slice rest = text, authority;
	bool absolute;

	memset(url, 0, sizeof *url);
	if (!is_legal(text))
		return false;
	cut(&rest, '#', &url->parts[FRAGMENT]);
	take_scheme(&rest, url);
	absolute = url->parts[PROTOCOL].bytes != NULL;
	if (absolute && rest.len == 0)
		return false;
	if (absolute && rest.bytes[0] != '/')
		return true; /* opaque: mailto:somebody */
	cut(&rest, '?', &url->parts[QUERY]);
	if (rest.len >= 2 && rest.bytes[0] == '/' && rest.bytes[1] == '/') {
		const char *slash = memchr(rest.bytes + 2, '/', rest.len - 2);
		const char *end = slash != NULL ? slash : rest.bytes + rest.len;
		authority = (struct sm_slice){rest.bytes + 2, (size_t)(end - rest.bytes) - 2};
		take_authority(authority, url);
		rest = (struct sm_slice){end, (size_t)(rest.bytes + rest.len - end)};
	}
	url->parts[PATH] = rest;
	return true;
}

static void add_decoded(struct sm_buf *out, struct sm_slice s, bool plus_is_space)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.bytes[i] == '%' && i + 2 < s.len && is_hex(s.bytes[i + 1]) && is_hex(s.bytes[i + 2])) {
			sm_buf_addc(out, (char)(hex(s.bytes[i + 1]) << 4 | hex(s.bytes[i + 2])));
			i += 2;
		} else {
			sm_buf_addc(out, (char)(s.bytes[i] == '+' && plus_is_space ? ' ' : s.bytes[i]));
		}
	}
}

static bool is_utf8(const struct sm_buf *buf)
{
	size_t more = 0;

	for (size_t i = 0; i < buf->len; i++) {
		unsigned char c = (unsigned char)buf->data[i];
		if (more > 0) {
			if ((c & 0xc0) != 0x80)
				return false;
			more--;
		} else if (c >= 0x80) {
			more = c >= 0xf0 && c <= 0xf4 ? 3 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xc2 && c < 0xe0 ? 1 : 9;
		}
		if (more == 9)
			return false;
	}
	return more == 0;
}

static void give(struct sm_fn_row *r)
{
	if (is_utf8(r->text))
		sm_fn_set_text(r, r->text->data != NULL ? r->text->data : "", r->text->len);
	else
		sm_fn_fail(r, "the URL does not decode to UTF-8");
}

/* An absent part of a valid URL is empty. */
static void extract(struct sm_fn_row *r, enum part part)
{
	struct url url;

	if (!parse(sm_fn_text(r, 0), &url)) {
		sm_fn_set_null(r);
		return;
	}
	add_decoded(r->text, url.parts[part], false);
	give(r);
}

static void extract_protocol(struct sm_fn_row *r)
{
	extract(r, PROTOCOL);
}

static void extract_host(struct sm_fn_row *r)
{
	extract(r, HOST);
}

static void extract_path(struct sm_fn_row *r)
{
	extract(r, PATH);
}

static void extract_query(struct sm_fn_row *r)
{
	extract(r, QUERY);
}

static void extract_fragment(struct sm_fn_row *r)
{
	extract(r, FRAGMENT);
}

static void extract_port(struct sm_fn_row *r)
{
	struct url url;
	int64_t port = 0;

	if (!parse(sm_fn_text(r, 0), &url) || url.parts[PORT].len == 0 || url.parts[PORT].len > 9) {
		sm_fn_set_null(r);
		return;
	}
	for (size_t i = 0; i < url.parts[PORT].len; i++)
		port = port * 10 + (url.parts[PORT].bytes[i] - '0');
	((int64_t *)r->out)[r->row] = port;
}

/* The first parameter of that name; one without a value is empty. */
static void extract_parameter(struct sm_fn_row *r)
{
	struct sm_slice name = sm_fn_text(r, 1), rest, value;
	struct url url;
	bool more;

	if (!parse(sm_fn_text(r, 0), &url) || url.parts[QUERY].bytes == NULL) {
		sm_fn_set_null(r);
		return;
	}
	rest = url.parts[QUERY];
	do {
		struct sm_slice one = rest, next = {NULL, 0};
		more = cut(&one, '&', &next);
		value = (struct sm_slice){"", 0};
		cut(&one, '=', &value);
		if (one.len == name.len && memcmp(one.bytes, name.bytes, name.len) == 0) {
			add_decoded(r->text, value, true);
			give(r);
			return;
		}
		rest = next;
	} while (more);
	sm_fn_set_null(r);
}

static void encode(struct sm_fn_row *r)
{
	struct sm_slice s = sm_fn_text(r, 0);

	for (size_t i = 0; i < s.len; i++) {
		char c = s.bytes[i];
		if (is_alpha(c) || is_digit(c) || (c != '\0' && strchr("-_.*", c) != NULL))
			sm_buf_addc(r->text, c);
		else if (c == ' ')
			sm_buf_addc(r->text, '+');
		else
			sm_buf_addf(r->text, "%%%02X", (unsigned char)c);
	}
	give(r);
}

static void decode(struct sm_fn_row *r)
{
	add_decoded(r->text, sm_fn_text(r, 0), true);
	give(r);
}

const struct sm_fn sm_fn_url_list[] = {
    {"trino_url_extract_protocol", "v", 'v', extract_protocol},
    {"trino_url_extract_host", "v", 'v', extract_host},
    {"trino_url_extract_port", "v", 'l', extract_port},
    {"trino_url_extract_path", "v", 'v', extract_path},
    {"trino_url_extract_query", "v", 'v', extract_query},
    {"trino_url_extract_fragment", "v", 'v', extract_fragment},
    {"trino_url_extract_parameter", "vv", 'v', extract_parameter},
    {"trino_url_encode", "v", 'v', encode},
    {"trino_url_decode", "v", 'v', decode},
    {NULL, NULL, 0, NULL},
};
