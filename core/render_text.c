/* Values in the notation of Athena's answers: engine types in, bare text out. See render_out.h. */
#include "civil.h"
#include "number_text.h"
#include "render_out.h"

/* ---- numbers ---- */

static inline int64_t int_at(int id, const void *data, uint64_t row)
{
	switch (id) {
	case DUCK_TINYINT:
		return ((const int8_t *)data)[row];
	case DUCK_SMALLINT:
		return ((const int16_t *)data)[row];
	case DUCK_INTEGER:
	case DUCK_DATE:
		return ((const int32_t *)data)[row];
	case DUCK_UTINYINT:
		return ((const uint8_t *)data)[row];
	case DUCK_USMALLINT:
		return ((const uint16_t *)data)[row];
	case DUCK_UINTEGER:
		return ((const uint32_t *)data)[row];
	default:
		return ((const int64_t *)data)[row];
	}
}

static __int128 huge_at(const void *data, uint64_t row)
{
	const struct duck_hugeint *h = (const struct duck_hugeint *)data + row;

	return (__int128)((unsigned __int128)(uint64_t)h->upper << 64 | h->lower);
}

static void put_integer(struct out *o, const struct sm_view *v, uint64_t row)
{
	if (room(o, SM_INT64_TEXT_MAX))
		o->at = sm_text_int64(o->at, int_at(v->type->id, v->data, row));
}

static void put_ubigint(struct out *o, const struct sm_view *v, uint64_t row)
{
	if (room(o, SM_INT64_TEXT_MAX))
		o->at = sm_text_uint64(o->at, ((const uint64_t *)v->data)[row]);
}

static void put_hugeint(struct out *o, const struct sm_view *v, uint64_t row)
{
	if (!room(o, SM_INT128_TEXT_MAX))
		return;
	o->at = v->type->id == DUCK_HUGEINT ? sm_text_int128(o->at, huge_at(v->data, row))
	                                    : sm_text_uint128(o->at, (unsigned __int128)huge_at(v->data, row));
}

static void put_decimal(struct out *o, const struct sm_view *v, uint64_t row)
{
	const struct sm_duck_type *t = v->type;

	if (!room(o, SM_DECIMAL_TEXT_MAX))
		return;
	if (t->physical == DUCK_HUGEINT)
		o->at = sm_text_decimal128(o->at, huge_at(v->data, row), t->scale);
	else
		o->at = sm_text_decimal64(o->at, int_at(t->physical, v->data, row), t->scale);
}

static void put_real(struct out *o, const struct sm_view *v, uint64_t row)
{
	if (!room(o, SM_DOUBLE_TEXT_MAX))
		return;
	o->at = v->type->id == DUCK_FLOAT ? sm_text_float(o->at, ((const float *)v->data)[row])
	                                  : sm_text_double(o->at, ((const double *)v->data)[row]);
}

static void put_boolean(struct out *o, const struct sm_view *v, uint64_t row)
{
	if (((const uint8_t *)v->data)[row] != 0)
		PUT(o, "true");
	else
		PUT(o, "false");
}

/* ---- dates and times ---- */

#define DAY_SECONDS 86400
#define TIME_TEXT_MAX 64

/* 2026-10-10; years beyond four digits as Java's LocalDate writes them. */
static char *date_text(char *p, int64_t days)
{
	struct sm_civil c = sm_civil_from_days(days);

	if (c.year < 0)
		*p++ = '-';
	if (c.year > 9999)
		*p++ = '+';
	p = c.year >= -9999 && c.year <= 9999 ? sm_text_padded(p, (uint64_t)(c.year < 0 ? -c.year : c.year), 4)
	                                      : sm_text_uint64(p, (uint64_t)(c.year < 0 ? -c.year : c.year));
	*p++ = '-';
	p = sm_text_padded(p, c.month, 2);
	*p++ = '-';
	return sm_text_padded(p, c.day, 2);
}

/* 12:34:56.123 with the given number of digits; units per second = 10^digits. */
static char *clock_text(char *p, int64_t seconds, uint64_t fraction, unsigned digits)
{
	p = sm_text_padded(p, (uint64_t)(seconds / 3600), 2);
	*p++ = ':';
	p = sm_text_padded(p, (uint64_t)(seconds / 60 % 60), 2);
	*p++ = ':';
	p = sm_text_padded(p, (uint64_t)(seconds % 60), 2);
	if (digits == 0)
		return p;
	*p++ = '.';
	return sm_text_padded(p, fraction, digits);
}

static int64_t units(unsigned digits)
{
	static const int64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};

	return powers[digits];
}

static void put_date(struct out *o, const struct sm_view *v, uint64_t row)
{
	int32_t days = ((const int32_t *)v->data)[row];

	if (!room(o, TIME_TEXT_MAX))
		return;
	if (days == INT32_MAX)
		PUT(o, "infinity");
	else if (days == -INT32_MAX)
		PUT(o, "-infinity");
	else
		o->at = date_text(o->at, days);
}

/* value counts 10^-digits seconds since 1970. */
static void put_instant(struct out *o, int64_t value, unsigned digits)
{
	int64_t fraction, seconds_of_day, seconds, days;

	if (!room(o, TIME_TEXT_MAX))
		return;
	if (value == INT64_MAX || value == -INT64_MAX) {
		if (value < 0)
			put_char(o, '-');
		PUT(o, "infinity");
		return;
	}
	seconds = sm_floor_div(value, units(digits), &fraction);
	days = sm_floor_div(seconds, DAY_SECONDS, &seconds_of_day);
	o->at = date_text(o->at, days);
	*o->at++ = ' ';
	o->at = clock_text(o->at, seconds_of_day, (uint64_t)fraction, digits);
}

static void put_timestamp(struct out *o, const struct sm_view *v, uint64_t row)
{
	unsigned digits = 6;

	if (v->type->id == DUCK_TIMESTAMP_S)
		digits = 0;
	else if (v->type->id == DUCK_TIMESTAMP_MS)
		digits = 3;
	else if (v->type->id == DUCK_TIMESTAMP_NS)
		digits = 9;
	put_instant(o, ((const int64_t *)v->data)[row], digits);
}

/* Trino's default precision is 3; what the engine knows beyond it is not hidden. */
static void put_timestamp_tz(struct out *o, const struct sm_view *v, uint64_t row)
{
	int64_t micros = ((const int64_t *)v->data)[row];

	if (micros % 1000 == 0)
		put_instant(o, micros / 1000, 3);
	else
		put_instant(o, micros, 6);
	PUT(o, " UTC");
}

static void put_clock(struct out *o, int64_t micros)
{
	unsigned digits = micros % 1000 == 0 ? 3 : 6;

	if (room(o, TIME_TEXT_MAX))
		o->at = clock_text(o->at, micros / 1000000, (uint64_t)(micros % 1000000 / (digits == 3 ? 1000 : 1)), digits);
}

static void put_time(struct out *o, const struct sm_view *v, uint64_t row)
{
	int64_t value = ((const int64_t *)v->data)[row];

	if (v->type->id == DUCK_TIME)
		put_clock(o, value);
	else if (room(o, TIME_TEXT_MAX))
		o->at = clock_text(o->at, value / 1000000000, (uint64_t)(value % 1000000000), 9);
}

/* Forty bits of microseconds, then 24 bits of 57599 minus the offset in seconds. */
static void put_time_tz(struct out *o, const struct sm_view *v, uint64_t row)
{
	uint64_t bits = ((const uint64_t *)v->data)[row];
	int64_t offset = 57599 - (int64_t)(bits & 0xffffff), size = offset < 0 ? -offset : offset;

	put_clock(o, (int64_t)(bits >> 24));
	if (!room(o, TIME_TEXT_MAX))
		return;
	*o->at++ = offset < 0 ? '-' : '+';
	o->at = sm_text_padded(o->at, (uint64_t)(size / 3600), 2);
	*o->at++ = ':';
	o->at = sm_text_padded(o->at, (uint64_t)(size / 60 % 60), 2);
}

static void put_day_interval(struct out *o, __int128 micros)
{
	unsigned __int128 size = micros < 0 ? 0 - (unsigned __int128)micros : (unsigned __int128)micros;
	uint64_t seconds;

	if (!room(o, TIME_TEXT_MAX))
		return;
	if (micros < 0)
		*o->at++ = '-';
	o->at = sm_text_uint64(o->at, (uint64_t)(size / 1000000 / DAY_SECONDS));
	*o->at++ = ' ';
	seconds = (uint64_t)(size / 1000000 % DAY_SECONDS);
	o->at = clock_text(o->at, (int64_t)seconds, (uint64_t)(size % 1000000 / 1000), 3);
}

static void put_month_interval(struct out *o, int64_t months)
{
	if (!room(o, TIME_TEXT_MAX))
		return;
	if (months < 0) {
		*o->at++ = '-';
		months = -months;
	}
	o->at = sm_text_int64(o->at, months / 12);
	*o->at++ = '-';
	o->at = sm_text_int64(o->at, months % 12);
}

/* Trino has two kinds; the engine's one kind is shown as the one it amounts to, or as both. */
static void put_interval(struct out *o, const struct sm_view *v, uint64_t row)
{
	const struct duck_interval *i = (const struct duck_interval *)v->data + row;
	__int128 micros = (__int128)i->days * DAY_SECONDS * 1000000 + i->micros;

	if (i->months != 0)
		put_month_interval(o, i->months);
	if (i->months != 0 && micros != 0)
		put_char(o, ' ');
	if (i->months == 0 || micros != 0)
		put_day_interval(o, micros);
}

/* ---- other plain types ---- */

static void put_uuid(struct out *o, const struct sm_view *v, uint64_t row)
{
	static const char hex[] = "0123456789abcdef";
	const struct duck_hugeint *h = (const struct duck_hugeint *)v->data + row;
	uint64_t halves[2] = {(uint64_t)h->upper ^ (uint64_t)1 << 63, h->lower};

	if (!room(o, 36))
		return;
	for (unsigned i = 0; i < 32; i++) {
		if (i == 8 || i == 12 || i == 16 || i == 20)
			*o->at++ = '-';
		*o->at++ = hex[halves[i / 16] >> (60 - 4 * (i % 16)) & 15];
	}
}

static void put_varchar(struct out *o, const struct sm_view *v, uint64_t row)
{
	size_t len;
	const char *bytes = string_at(v, row, &len);

	put_bytes(o, bytes, len);
}

static void put_blob(struct out *o, const struct sm_view *v, uint64_t row)
{
	static const char hex[] = "0123456789abcdef";
	size_t len;
	const char *bytes = string_at(v, row, &len);

	if (!room(o, 3 * len))
		return;
	for (size_t i = 0; i < len; i++) {
		if (i > 0)
			*o->at++ = ' ';
		*o->at++ = hex[(unsigned char)bytes[i] >> 4];
		*o->at++ = hex[bytes[i] & 15];
	}
}

/* First byte: how many leading bits of the second are padding. */
static void put_bits(struct out *o, const struct sm_view *v, uint64_t row)
{
	size_t len;
	const char *bytes = string_at(v, row, &len);

	if (len < 1 || !room(o, 8 * len))
		return;
	for (size_t i = 8 + (size_t)bytes[0]; i < 8 * len; i++)
		*o->at++ = (bytes[i / 8] >> (7 - i % 8) & 1) != 0 ? '1' : '0';
}

const char *sm_word_at(const struct sm_view *v, uint64_t row)
{
	uint64_t index = (uint64_t)int_at(v->type->physical, v->data, row);

	return index < v->type->word_count ? v->type->words[index] : "";
}

static void put_enum(struct out *o, const struct sm_view *v, uint64_t row)
{
	const char *word = sm_word_at(v, row);

	put_bytes(o, word, strlen(word));
}

static void put_nothing(struct out *o, const struct sm_view *v, uint64_t row)
{
	(void)v;
	(void)row;
	PUT(o, "null");
}

/* ---- nested values in Athena's text ---- */

void sm_out_text(struct out *o, const struct sm_view *v, uint64_t row)
{
	if (sm_view_is_null(v, row))
		PUT(o, "null");
	else
		sm_text_writer(v->type->id)(o, v, row);
}

struct duck_list_entry sm_entry_at(const struct sm_view *v, uint64_t row)
{
	if (v->type->id == DUCK_ARRAY)
		return (struct duck_list_entry){row * v->type->array_size, v->type->array_size};
	return ((const struct duck_list_entry *)v->data)[row];
}

static void put_list(struct out *o, const struct sm_view *v, uint64_t row)
{
	struct duck_list_entry e = sm_entry_at(v, row);

	put_char(o, '[');
	for (uint64_t i = 0; i < e.length && o->full == SM_OK; i++) {
		if (i > 0)
			PUT(o, ", ");
		sm_out_text(o, &v->children[0], e.offset + i);
	}
	put_char(o, ']');
}

static void put_map(struct out *o, const struct sm_view *v, uint64_t row)
{
	struct duck_list_entry e = sm_entry_at(v, row);

	put_char(o, '{');
	for (uint64_t i = 0; i < e.length && o->full == SM_OK; i++) {
		if (i > 0)
			PUT(o, ", ");
		sm_out_text(o, &v->children[0], e.offset + i);
		put_char(o, '=');
		sm_out_text(o, &v->children[1], e.offset + i);
	}
	put_char(o, '}');
}

/* Fields without a name are called field0, field1, ... in Athena's answers. */
const char *sm_field_name(const struct sm_view *v, size_t i, char spare[32])
{
	const char *name = v->type->children[i].name;
	char *end;

	if (name[0] != '\0')
		return name;
	memcpy(spare, "field", 5);
	end = sm_text_uint64(spare + 5, i);
	*end = '\0';
	return spare;
}

static void put_struct(struct out *o, const struct sm_view *v, uint64_t row)
{
	char spare[32];

	put_char(o, '{');
	for (size_t i = 0; i < v->type->child_count; i++) {
		const char *name = sm_field_name(v, i, spare);
		if (i > 0)
			PUT(o, ", ");
		put_bytes(o, name, strlen(name));
		put_char(o, '=');
		sm_out_text(o, &v->children[i], row);
	}
	put_char(o, '}');
}

/* The member that the tag names; the tag is the last view. */
const struct sm_view *sm_member_at(const struct sm_view *v, uint64_t row)
{
	uint8_t tag = ((const uint8_t *)v->children[v->type->child_count].data)[row];

	return tag < v->type->child_count ? &v->children[tag] : NULL;
}

static void put_union(struct out *o, const struct sm_view *v, uint64_t row)
{
	const struct sm_view *member = sm_member_at(v, row);

	if (member != NULL)
		sm_out_text(o, member, row);
	else
		PUT(o, "null");
}

/* Writes the bare text of a value that is not NULL. */
sm_cell_fn sm_text_writer(int id)
{
	switch (id) {
	case DUCK_BOOLEAN:
		return put_boolean;
	case DUCK_TINYINT:
	case DUCK_SMALLINT:
	case DUCK_INTEGER:
	case DUCK_BIGINT:
	case DUCK_UTINYINT:
	case DUCK_USMALLINT:
	case DUCK_UINTEGER:
		return put_integer;
	case DUCK_UBIGINT:
		return put_ubigint;
	case DUCK_HUGEINT:
	case DUCK_UHUGEINT:
		return put_hugeint;
	case DUCK_FLOAT:
	case DUCK_DOUBLE:
		return put_real;
	case DUCK_DECIMAL:
		return put_decimal;
	case DUCK_DATE:
		return put_date;
	case DUCK_TIME:
	case DUCK_TIME_NS:
		return put_time;
	case DUCK_TIME_TZ:
		return put_time_tz;
	case DUCK_TIMESTAMP:
	case DUCK_TIMESTAMP_S:
	case DUCK_TIMESTAMP_MS:
	case DUCK_TIMESTAMP_NS:
		return put_timestamp;
	case DUCK_TIMESTAMP_TZ:
		return put_timestamp_tz;
	case DUCK_INTERVAL:
		return put_interval;
	case DUCK_UUID:
		return put_uuid;
	case DUCK_VARCHAR:
		return put_varchar;
	case DUCK_BLOB:
		return put_blob;
	case DUCK_BIT:
		return put_bits;
	case DUCK_ENUM:
		return put_enum;
	case DUCK_LIST:
	case DUCK_ARRAY:
		return put_list;
	case DUCK_MAP:
		return put_map;
	case DUCK_STRUCT:
		return put_struct;
	case DUCK_UNION:
		return put_union;
	default:
		return put_nothing;
	}
}

/* Types whose text holds nothing that JSON or CSV would have to escape. */
bool sm_text_is_tame(int id)
{
	switch (id) {
	case DUCK_VARCHAR:
	case DUCK_ENUM:
	case DUCK_LIST:
	case DUCK_ARRAY:
	case DUCK_MAP:
	case DUCK_STRUCT:
	case DUCK_UNION:
		return false;
	default:
		return true;
	}
}
