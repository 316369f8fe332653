/*
 * render_out: how the writers of render append, and what escapes JSON and CSV.
 *
 * struct out keeps a bare pointer into the buffer: one comparison per cell
 * instead of one call. A writer that meets the maximum sets full and later ones
 * do nothing; the caller then takes the row back. Private to core/render*.c.
 */
#ifndef SM_RENDER_OUT_H
#define SM_RENDER_OUT_H

#include "render.h"

#include <string.h>

struct out {
	char *at;
	char *limit;
	struct sm_buf *buf;
	enum sm_status full; /* SM_OK, or why nothing more fits */
};

/* Writes one value that is not NULL. */
typedef void (*sm_cell_fn)(struct out *o, const struct sm_view *view, uint64_t row);

void sm_out_open(struct out *o, struct sm_buf *buf);
/* Gives the bytes back to the buffer, with a NUL behind them. */
void sm_out_close(struct out *o);
bool sm_out_grow(struct out *o, size_t n);

/* True when n bytes and a NUL have room. */
static inline bool room(struct out *o, size_t n)
{
	if (__builtin_expect((size_t)(o->limit - o->at) > n, 1))
		return true;
	return sm_out_grow(o, n);
}

static inline void put_char(struct out *o, char c)
{
	if (room(o, 1))
		*o->at++ = c;
}

static inline void put_bytes(struct out *o, const char *bytes, size_t len)
{
	if (!room(o, len))
		return;
	memcpy(o->at, bytes, len);
	o->at += len;
}

#define PUT(o, literal) put_bytes((o), (literal), sizeof(literal) - 1)

static inline const char *string_at(const struct sm_view *view, uint64_t row, size_t *len)
{
	const union duck_string *s = (const union duck_string *)view->data + row;

	*len = s->inlined.length;
	return s->inlined.length <= DUCK_INLINE ? s->inlined.bytes : s->pointer.bytes;
}

/* The inside of a JSON string; bytes that are not UTF-8 become U+FFFD. */
void sm_out_json_bytes(struct out *o, const char *bytes, size_t len);
/* Copies a JSON document without its line breaks. False, and nothing written, when it is not strict JSON. */
bool sm_out_json_document(struct out *o, const char *bytes, size_t len);
/* The inside of a CSV field. */
void sm_out_csv_bytes(struct out *o, const char *bytes, size_t len);

/* The bare text of a value, in Athena's notation. */
sm_cell_fn sm_text_writer(int id);
/* "null" or the bare text. */
void sm_out_text(struct out *o, const struct sm_view *view, uint64_t row);
/* Whether the text of a type holds nothing that JSON or CSV would have to escape. */
bool sm_text_is_tame(int id);

/* Shared by text and JSON. */
struct duck_list_entry sm_entry_at(const struct sm_view *view, uint64_t row);
const char *sm_field_name(const struct sm_view *view, size_t i, char spare[32]);
const struct sm_view *sm_member_at(const struct sm_view *view, uint64_t row);
const char *sm_word_at(const struct sm_view *view, uint64_t row);

#endif
