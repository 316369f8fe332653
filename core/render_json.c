/*
 * A strict check of JSON text (RFC 8259), so that a JSON column can be spliced
 * into an answer. The engine's JSON type also lets NaN and pretty printing through.
 */
#include "render_out.h"

#define MAX_DEPTH 512

struct scan {
	const char *at;
	const char *end;
};

static char peek(const struct scan *s)
{
	return s->at < s->end ? *s->at : '\0';
}

static bool take(struct scan *s, char c)
{
	if (s->at >= s->end || *s->at != c)
		return false;
	s->at++;
	return true;
}

static void skip_space(struct scan *s)
{
	while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
		s->at++;
}

static bool digits(struct scan *s)
{
	const char *start = s->at;

	while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
		s->at++;
	return s->at > start;
}

static bool number(struct scan *s)
{
	take(s, '-');
	if (!take(s, '0') && !digits(s))
		return false;
	if (take(s, '.') && !digits(s))
		return false;
	if (take(s, 'e') || take(s, 'E')) {
		if (!take(s, '+'))
			take(s, '-');
		return digits(s);
	}
	return true;
}

static bool escaped(struct scan *s)
{
	char c = peek(s);

	if (c == '\0' || strchr("\"\\/bfnrtu", c) == NULL)
		return false;
	s->at++;
	if (c != 'u')
		return true;
	for (int i = 0; i < 4; i++, s->at++)
		if (peek(s) == '\0' || strchr("0123456789abcdefABCDEF", peek(s)) == NULL)
			return false;
	return true;
}

static bool string(struct scan *s)
{
	if (!take(s, '"'))
		return false;
	while (s->at < s->end && *s->at != '"') {
		unsigned char c = (unsigned char)*s->at++;
		if (c < 0x20 || (c == '\\' && !escaped(s)))
			return false;
	}
	return take(s, '"');
}

static bool literal(struct scan *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
		return false;
	s->at += len;
	return true;
}

static bool value(struct scan *s, unsigned depth);

static bool list(struct scan *s, char close, unsigned depth)
{
	s->at++;
	skip_space(s);
	if (take(s, close))
		return true;
	do {
		skip_space(s);
		if (close == '}') {
			if (!string(s))
				return false;
			skip_space(s);
			if (!take(s, ':'))
				return false;
		}
		if (!value(s, depth + 1))
			return false;
		skip_space(s);
	} while (take(s, ','));
	return take(s, close);
}

static bool value(struct scan *s, unsigned depth)
{
	if (depth > MAX_DEPTH)
		return false;
	skip_space(s);
	switch (peek(s)) {
	case '{':
		return list(s, '}', depth);
	case '[':
		return list(s, ']', depth);
	case '"':
		return string(s);
	case 't':
		return literal(s, "true");
	case 'f':
		return literal(s, "false");
	case 'n':
		return literal(s, "null");
	default:
		return number(s);
	}
}

/* Line breaks stand only between tokens here: a space does as well. */
bool sm_out_json_document(struct out *o, const char *bytes, size_t len)
{
	struct scan s = {bytes, bytes + len};

	if (!value(&s, 0))
		return false;
	skip_space(&s);
	if (s.at != s.end)
		return false;
	if (!room(o, len))
		return true;
	for (size_t i = 0; i < len; i++)
		*o->at++ = (char)(bytes[i] == '\n' || bytes[i] == '\r' ? ' ' : bytes[i]);
	return true;
}
