#include "pattern.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MAX_DEPTH 200
#define STEPS_PER_CHECK 512
#define ESCAPE '%'

static const char *do_match(struct sm_pattern *m, const char *s, const char *p);

static int byte_at(const char *s)
{
	return (unsigned char)*s;
}

static const char *fail(struct sm_pattern *m, const char *message)
{
	if (m->status == SM_OK) {
		m->status = SM_INVALID;
		snprintf(m->message, sizeof(m->message), "%s", message);
	}
	return NULL;
}

/* True when the match has to end. */
static bool step(struct sm_pattern *m, size_t count)
{
	if (count < m->steps) {
		m->steps -= (unsigned)count;
		return m->status != SM_OK;
	}
	m->steps = STEPS_PER_CHECK;
	if (m->status == SM_OK && m->stop != NULL && m->stop(m->arg))
		m->status = SM_TIMEOUT;
	return m->status != SM_OK;
}

/* ---- one item of a pattern ---- */

/* The end of the item at p: a byte, %x, or [set]. */
static const char *item_end(struct sm_pattern *m, const char *p)
{
	int c = byte_at(p++);
	if (c == ESCAPE)
		return p == m->pattern_end ? fail(m, "malformed pattern (ends with '%')") : p + 1;
	if (c != '[')
		return p;
	if (*p == '^')
		p++;
	do { /* a ']' at the start is a member */
		if (p == m->pattern_end)
			return fail(m, "malformed pattern (missing ']')");
		if (*p++ == ESCAPE && p < m->pattern_end)
			p++;
	} while (*p != ']');
	return p + 1;
}

static bool in_class(int c, int class)
{
	bool in;
	switch (tolower(class)) {
	case 'a':
		in = isalpha(c);
		break;
	case 'c':
		in = iscntrl(c);
		break;
	case 'd':
		in = isdigit(c);
		break;
	case 'g':
		in = isgraph(c);
		break;
	case 'l':
		in = islower(c);
		break;
	case 'p':
		in = ispunct(c);
		break;
	case 's':
		in = isspace(c);
		break;
	case 'u':
		in = isupper(c);
		break;
	case 'w':
		in = isalnum(c);
		break;
	case 'x':
		in = isxdigit(c);
		break;
	case 'z': /* of older Lua */
		in = c == 0;
		break;
	default:
		return class == c;
	}
	return isupper(class) ? !in : in;
}

/* p is at '[', last at its ']'. */
static bool in_set(int c, const char *p, const char *last)
{
	bool found = true;
	if (p[1] == '^') {
		found = false;
		p++;
	}
	while (++p < last) {
		if (*p == ESCAPE) {
			p++;
			if (in_class(c, byte_at(p)))
				return found;
		} else if (p[1] == '-' && p + 2 < last) {
			p += 2;
			if (byte_at(p - 2) <= c && c <= byte_at(p))
				return found;
		} else if (byte_at(p) == c) {
			return found;
		}
	}
	return !found;
}

static bool matches_item(const struct sm_pattern *m, const char *s, const char *p, const char *end)
{
	if (s >= m->subject_end)
		return false;
	switch (*p) {
	case '.':
		return true;
	case ESCAPE:
		return in_class(byte_at(s), byte_at(p + 1));
	case '[':
		return in_set(byte_at(s), p, end - 1);
	default:
		return *p == *s;
	}
}

/* ---- repetition, balance, captures ---- */

static const char *longest(struct sm_pattern *m, const char *s, const char *p, const char *end)
{
	ptrdiff_t count = 0;
	while (matches_item(m, s + count, p, end)) {
		count++;
		if (step(m, 1))
			return NULL;
	}
	for (; count >= 0; count--) {
		const char *rest = do_match(m, s + count, end + 1);
		if (rest != NULL || m->status != SM_OK)
			return rest;
	}
	return NULL;
}

static const char *shortest(struct sm_pattern *m, const char *s, const char *p, const char *end)
{
	for (;;) {
		const char *rest = do_match(m, s, end + 1);
		if (rest != NULL || m->status != SM_OK)
			return rest;
		if (!matches_item(m, s, p, end))
			return NULL;
		s++;
	}
}

/* %bxy; p is behind the b. */
static const char *balanced(struct sm_pattern *m, const char *s, const char *p)
{
	if (p >= m->pattern_end - 1)
		return fail(m, "malformed pattern (missing arguments to '%b')");
	if (*s != *p)
		return NULL;
	size_t open = 1;
	while (++s < m->subject_end) {
		if (*s == p[1]) {
			if (--open == 0)
				return s + 1;
		} else if (*s == p[0]) {
			open++;
		}
		if (step(m, 1))
			return NULL;
	}
	return NULL;
}

static const char *open_capture(struct sm_pattern *m, const char *s, const char *p, ptrdiff_t len)
{
	if (m->level >= SM_PATTERN_CAPTURES)
		return fail(m, "too many captures");
	m->capture[m->level] = (struct sm_capture){s, len};
	m->level++;
	const char *rest = do_match(m, s, p);
	if (rest == NULL)
		m->level--;
	return rest;
}

static const char *close_capture(struct sm_pattern *m, const char *s, const char *p)
{
	int level = m->level - 1;
	while (level >= 0 && m->capture[level].len != SM_CAPTURE_OPEN)
		level--;
	if (level < 0)
		return fail(m, "invalid pattern capture");
	m->capture[level].len = s - m->capture[level].start;
	const char *rest = do_match(m, s, p);
	if (rest == NULL)
		m->capture[level].len = SM_CAPTURE_OPEN;
	return rest;
}

/* %1 to %9: the same bytes again. */
static const char *same_again(struct sm_pattern *m, const char *s, int digit)
{
	int level = digit - '1';
	if (level < 0 || level >= m->level || m->capture[level].len == SM_CAPTURE_OPEN) {
		char message[64];
		snprintf(message, sizeof(message), "invalid capture index %%%d", level + 1);
		return fail(m, message);
	}
	size_t len = (size_t)m->capture[level].len; /* a position capture is longer than any subject: no match */
	if ((size_t)(m->subject_end - s) < len || step(m, len / 64 + 1))
		return NULL;
	return memcmp(m->capture[level].start, s, len) == 0 ? s + len : NULL;
}

/* %f[set]; p is at the set. Gives the end of the set when s is at such a border. */
static const char *frontier(struct sm_pattern *m, const char *s, const char *p)
{
	if (*p != '[')
		return fail(m, "missing '[' after '%f' in pattern");
	const char *end = item_end(m, p);
	if (end == NULL)
		return NULL;
	int before = s == m->subject ? 0 : byte_at(s - 1);
	return !in_set(before, p, end - 1) && in_set(byte_at(s), p, end - 1) ? end : NULL;
}

/* ---- the whole ---- */

enum next { GO_ON, DONE };

/* An item that is a byte or a class, with the suffix behind it. On GO_ON *s and *p say where. */
static enum next match_item(struct sm_pattern *m, const char **s, const char **p)
{
	const char *end = item_end(m, *p), *rest;
	if (end == NULL) {
		*s = NULL;
		return DONE;
	}
	bool here = matches_item(m, *s, *p, end);
	switch (*end) {
	case '?':
		if (here && (rest = do_match(m, *s + 1, end + 1)) != NULL) {
			*s = rest;
			return DONE;
		}
		*p = end + 1;
		return GO_ON;
	case '*':
	case '-':
		if (!here) {
			*p = end + 1;
			return GO_ON;
		}
		*s = *end == '*' ? longest(m, *s, *p, end) : shortest(m, *s, *p, end);
		return DONE;
	case '+':
		*s = here ? longest(m, *s + 1, *p, end) : NULL;
		return DONE;
	default:
		*s = here ? *s + 1 : NULL;
		*p = end;
		return here ? GO_ON : DONE;
	}
}

/* What begins with %: balance, frontier, back reference, or an ordinary class. */
static enum next match_escape(struct sm_pattern *m, const char **s, const char **p)
{
	int kind = byte_at(*p + 1);
	const char *at;
	if (kind == 'b') {
		*s = balanced(m, *s, *p + 2);
		*p += 4;
		return *s != NULL ? GO_ON : DONE;
	}
	if (kind == 'f') {
		at = frontier(m, *s, *p + 2);
		if (at == NULL)
			*s = NULL;
		*p = at;
		return at != NULL ? GO_ON : DONE;
	}
	if (isdigit(kind)) {
		*s = same_again(m, *s, kind);
		*p += 2;
		return *s != NULL ? GO_ON : DONE;
	}
	return match_item(m, s, p);
}

static enum next match_one(struct sm_pattern *m, const char **s, const char **p)
{
	switch (**p) {
	case '(':
		*s = (*p)[1] == ')' ? open_capture(m, *s, *p + 2, SM_CAPTURE_POSITION)
		                    : open_capture(m, *s, *p + 1, SM_CAPTURE_OPEN);
		return DONE;
	case ')':
		*s = close_capture(m, *s, *p + 1);
		return DONE;
	case '$':
		if (*p + 1 != m->pattern_end)
			return match_item(m, s, p);
		if (*s != m->subject_end)
			*s = NULL;
		return DONE;
	case ESCAPE:
		return match_escape(m, s, p);
	default:
		return match_item(m, s, p);
	}
}

static const char *do_match(struct sm_pattern *m, const char *s, const char *p)
{
	if (m->depth-- == 0) {
		m->depth++;
		return fail(m, "pattern too complex");
	}
	while (p != m->pattern_end) {
		if (step(m, 1))
			s = NULL;
		if (s == NULL || match_one(m, &s, &p) == DONE)
			break;
	}
	m->depth++;
	return m->status == SM_OK ? s : NULL;
}

void sm_pattern_init(struct sm_pattern *match, const char *subject, size_t subject_len, const char *pattern,
                     size_t pattern_len, bool (*stop)(void *arg), void *arg)
{
	match->subject = subject;
	match->subject_end = subject + subject_len;
	match->pattern_end = pattern + pattern_len;
	match->stop = stop;
	match->arg = arg;
	match->level = 0;
	match->status = SM_OK;
	match->message[0] = '\0';
	match->steps = STEPS_PER_CHECK;
}

const char *sm_pattern_match(struct sm_pattern *match, const char *s, const char *pattern)
{
	match->level = 0;
	match->depth = MAX_DEPTH;
	return do_match(match, s, pattern);
}
