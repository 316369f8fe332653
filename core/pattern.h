/*
 * pattern: Lua's patterns, matched with a step counter.
 *
 * Same language and same results as Lua 5.4's own string library, whose matcher cannot be interrupted: some patterns
 * take years on a short subject. Knows no Lua state; every few hundred steps it asks the caller whether to stop.
 */
#ifndef SM_PATTERN_H
#define SM_PATTERN_H

#include "status.h"

#include <stdbool.h>

#define SM_PATTERN_CAPTURES 32
#define SM_CAPTURE_OPEN (-1)     /* length of a capture that is not closed */
#define SM_CAPTURE_POSITION (-2) /* length of a position capture "()" */

struct sm_capture {
	const char *start;
	ptrdiff_t len;
};

struct sm_pattern {
	const char *subject, *subject_end; /* a NUL follows the last byte */
	const char *pattern_end;           /* a NUL is there */
	bool (*stop)(void *arg);           /* asked now and then: true ends the match with SM_TIMEOUT */
	void *arg;
	/* results */
	int level; /* captures, also those still open */
	struct sm_capture capture[SM_PATTERN_CAPTURES];
	enum sm_status status; /* SM_OK also when nothing matched; SM_INVALID: see message */
	char message[64];
	/* private */
	int depth;
	unsigned steps;
};

/* Fills in the caller's part; borrows both texts. */
void sm_pattern_init(struct sm_pattern *match, const char *subject, size_t subject_len, const char *pattern,
                     size_t pattern_len, bool (*stop)(void *arg), void *arg);
/* Matches pattern (without a leading anchor) at s: the end of the match, or NULL: no match, or status says why. */
const char *sm_pattern_match(struct sm_pattern *match, const char *s, const char *pattern);

#endif
