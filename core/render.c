/* See render.h. The three formats, cell by cell; what a value looks like is in render_text.c. */
#include "number_text.h"
#include "render_out.h"

#include <math.h>
#include <stdlib.h>

#define SCRATCH_MAX ((size_t)1 << 30)

/* One column of one format. */
struct column {
	/* Writes the cell; value is not NULL. */
	void (*write)(struct out *o, struct sm_render *render, const struct column *column, uint64_t row);
	sm_cell_fn text;
	const struct sm_view *view;
	char *prefix; /* what stands before the cell: a comma and, in ndjson, the name */
	size_t prefix_len;
};

struct sm_render {
	enum sm_format format;
	size_t count;
	struct sm_view *views;
	struct column *columns;
	struct sm_buf scratch; /* the text of a nested value before it is escaped */
};

bool sm_format_named(const char *name, enum sm_format *format)
{
	static const char *const names[] = {"rows", "csv", "ndjson"};

	for (size_t i = 0; i < 3; i++) {
		if (strcmp(name, names[i]) == 0) {
			*format = (enum sm_format)i;
			return true;
		}
	}
	return false;
}

/* ---- views ---- */

/* A union has one more view, for its tag. */
static size_t view_children(const struct sm_duck_type *type)
{
	return type->child_count + (type->id == DUCK_UNION);
}

static const struct sm_duck_type tag_type = {.name = (char *)"", .id = DUCK_UTINYINT};

enum sm_status sm_view_init(struct sm_view *view, const struct sm_duck_type *type, struct sm_error *err)
{
	size_t count = view_children(type);
	enum sm_status status = SM_OK;

	memset(view, 0, sizeof *view);
	view->type = type;
	if (count == 0)
		return SM_OK;
	view->children = calloc(count, sizeof *view->children);
	if (view->children == NULL)
		return sm_fail(err, SM_NOMEM, "no memory for a nested column");
	for (size_t i = 0; i < count && status == SM_OK; i++)
		status = sm_view_init(&view->children[i], i < type->child_count ? &type->children[i] : &tag_type, err);
	return status;
}

void sm_view_free(struct sm_view *view)
{
	if (view->children != NULL)
		for (size_t i = 0; i < view_children(view->type); i++)
			sm_view_free(&view->children[i]);
	free(view->children);
	view->children = NULL;
}

static void bind_union(const struct sm_duckdb_api *api, struct sm_view *view, duck_vector vector)
{
	size_t members = view->type->child_count;

	sm_view_bind(api, &view->children[members], api->struct_vector_get_child(vector, 0));
	for (size_t i = 0; i < members; i++)
		sm_view_bind(api, &view->children[i], api->struct_vector_get_child(vector, i + 1));
}

void sm_view_bind(const struct sm_duckdb_api *api, struct sm_view *view, duck_vector vector)
{
	view->data = api->vector_get_data(vector);
	view->valid = api->vector_get_validity(vector);
	switch (view->type->id) {
	case DUCK_LIST:
		sm_view_bind(api, &view->children[0], api->list_vector_get_child(vector));
		break;
	case DUCK_ARRAY:
		sm_view_bind(api, &view->children[0], api->array_vector_get_child(vector));
		break;
	case DUCK_MAP: /* a list of (key, value) */
		vector = api->list_vector_get_child(vector);
		/* fall through */
	case DUCK_STRUCT:
		for (size_t i = 0; i < view->type->child_count; i++)
			sm_view_bind(api, &view->children[i], api->struct_vector_get_child(vector, i));
		break;
	case DUCK_UNION:
		bind_union(api, view, vector);
		break;
	default:
		break;
	}
}

/* ---- cells of "rows" and "csv" ---- */

static void write_quoted(struct out *o, struct sm_render *render, const struct column *column, uint64_t row)
{
	(void)render;
	put_char(o, '"');
	column->text(o, column->view, row);
	put_char(o, '"');
}

static void escape(struct out *o, enum sm_format format, const char *bytes, size_t len)
{
	put_char(o, '"');
	if (format == SM_FORMAT_CSV)
		sm_out_csv_bytes(o, bytes, len);
	else
		sm_out_json_bytes(o, bytes, len);
	put_char(o, '"');
}

static void write_varchar(struct out *o, struct sm_render *render, const struct column *column, uint64_t row)
{
	size_t len;
	const char *bytes = string_at(column->view, row, &len);

	escape(o, render->format, bytes, len);
}

/* The text is made first and escaped then, so that nested writers know no quoting. */
static void write_escaped(struct out *o, struct sm_render *render, const struct column *column, uint64_t row)
{
	struct out text;

	sm_buf_reset(&render->scratch);
	sm_out_open(&text, &render->scratch);
	column->text(&text, column->view, row);
	sm_out_close(&text);
	if (text.full != SM_OK)
		o->full = text.full;
	else
		escape(o, render->format, render->scratch.data, render->scratch.len);
}

/* ---- cells of "ndjson" ---- */

static void put_json(struct out *o, struct sm_render *render, const struct sm_view *view, uint64_t row);

static bool is_json_number(int id)
{
	switch (id) {
	case DUCK_BOOLEAN:
	case DUCK_TINYINT:
	case DUCK_SMALLINT:
	case DUCK_INTEGER:
	case DUCK_BIGINT:
	case DUCK_UTINYINT:
	case DUCK_USMALLINT:
	case DUCK_UINTEGER:
	case DUCK_UBIGINT:
	case DUCK_HUGEINT:
	case DUCK_UHUGEINT:
	case DUCK_DECIMAL:
		return true;
	default:
		return false;
	}
}

static bool is_finite_at(const struct sm_view *view, uint64_t row)
{
	if (view->type->id == DUCK_FLOAT)
		return isfinite(((const float *)view->data)[row]);
	return isfinite(((const double *)view->data)[row]);
}

static void put_json_list(struct out *o, struct sm_render *render, const struct sm_view *view, uint64_t row)
{
	struct duck_list_entry e = sm_entry_at(view, row);

	put_char(o, '[');
	for (uint64_t i = 0; i < e.length && o->full == SM_OK; i++) {
		if (i > 0)
			put_char(o, ',');
		put_json(o, render, &view->children[0], e.offset + i);
	}
	put_char(o, ']');
}

/* Keys of an object are strings in JSON, whatever they are in SQL. */
static void put_json_key(struct out *o, struct sm_render *render, const struct sm_view *key, uint64_t row)
{
	struct column column = {.text = sm_text_writer(key->type->id), .view = key};

	if (sm_text_is_tame(key->type->id))
		write_quoted(o, render, &column, row);
	else
		write_escaped(o, render, &column, row);
	put_char(o, ':');
}

static void put_json_map(struct out *o, struct sm_render *render, const struct sm_view *view, uint64_t row)
{
	struct duck_list_entry e = sm_entry_at(view, row);

	put_char(o, '{');
	for (uint64_t i = 0; i < e.length && o->full == SM_OK; i++) {
		if (i > 0)
			put_char(o, ',');
		put_json_key(o, render, &view->children[0], e.offset + i);
		put_json(o, render, &view->children[1], e.offset + i);
	}
	put_char(o, '}');
}

static void put_json_struct(struct out *o, struct sm_render *render, const struct sm_view *view, uint64_t row)
{
	char spare[32];

	put_char(o, '{');
	for (size_t i = 0; i < view->type->child_count; i++) {
		const char *name = sm_field_name(view, i, spare);
		if (i > 0)
			put_char(o, ',');
		escape(o, SM_FORMAT_NDJSON, name, strlen(name));
		put_char(o, ':');
		put_json(o, render, &view->children[i], row);
	}
	put_char(o, '}');
}

static void put_json_value(struct out *o, struct sm_render *render, const struct sm_view *view, uint64_t row)
{
	const struct sm_view *member;
	size_t len;
	const char *bytes;

	switch (view->type->id) {
	case DUCK_FLOAT:
	case DUCK_DOUBLE:
		if (is_finite_at(view, row))
			sm_text_writer(view->type->id)(o, view, row);
		else
			PUT(o, "null");
		return;
	case DUCK_VARCHAR:
		bytes = string_at(view, row, &len);
		if (!view->type->json || !sm_out_json_document(o, bytes, len))
			escape(o, SM_FORMAT_NDJSON, bytes, len);
		return;
	case DUCK_ENUM:
		bytes = sm_word_at(view, row);
		escape(o, SM_FORMAT_NDJSON, bytes, strlen(bytes));
		return;
	case DUCK_LIST:
	case DUCK_ARRAY:
		put_json_list(o, render, view, row);
		return;
	case DUCK_MAP:
		put_json_map(o, render, view, row);
		return;
	case DUCK_STRUCT:
		put_json_struct(o, render, view, row);
		return;
	case DUCK_UNION:
		member = sm_member_at(view, row);
		if (member != NULL)
			put_json(o, render, member, row);
		else
			PUT(o, "null");
		return;
	default:
		break;
	}
	if (is_json_number(view->type->id)) {
		sm_text_writer(view->type->id)(o, view, row);
		return;
	}
	put_char(o, '"');
	sm_text_writer(view->type->id)(o, view, row);
	put_char(o, '"');
}

static void put_json(struct out *o, struct sm_render *render, const struct sm_view *view, uint64_t row)
{
	if (sm_view_is_null(view, row))
		PUT(o, "null");
	else
		put_json_value(o, render, view, row);
}

static void write_json(struct out *o, struct sm_render *render, const struct column *column, uint64_t row)
{
	put_json_value(o, render, column->view, row);
}

static void write_bare(struct out *o, struct sm_render *render, const struct column *column, uint64_t row)
{
	(void)render;
	column->text(o, column->view, row);
}

/* ---- the renderer ---- */

static void choose_writer(enum sm_format format, struct column *column)
{
	int id = column->view->type->id;

	column->text = sm_text_writer(id);
	if (format == SM_FORMAT_NDJSON) {
		bool quoted = sm_text_is_tame(id) && !is_json_number(id) && id != DUCK_FLOAT && id != DUCK_DOUBLE;
		column->write = is_json_number(id) ? write_bare : quoted ? write_quoted : write_json;
		if (id == DUCK_VARCHAR && !column->view->type->json)
			column->write = write_varchar;
	} else if (id == DUCK_VARCHAR) {
		column->write = write_varchar;
	} else {
		column->write = sm_text_is_tame(id) ? write_quoted : write_escaped;
	}
}

static enum sm_status make_prefix(enum sm_format format, const char *name, bool first, struct column *column)
{
	struct sm_buf buf;
	struct out o;

	sm_buf_init(&buf, SCRATCH_MAX);
	sm_out_open(&o, &buf);
	if (!first)
		put_char(&o, ',');
	else if (format != SM_FORMAT_CSV)
		put_char(&o, format == SM_FORMAT_ROWS ? '[' : '{');
	if (format == SM_FORMAT_NDJSON) {
		escape(&o, format, name, strlen(name));
		put_char(&o, ':');
	}
	sm_out_close(&o);
	column->prefix = sm_buf_take(&buf, &column->prefix_len);
	return o.full;
}

static enum sm_status fill(struct sm_render *render, const struct sm_duck_type *types, struct sm_error *err)
{
	enum sm_status status = SM_OK;

	for (size_t i = 0; i < render->count && status == SM_OK; i++) {
		struct column *column = &render->columns[i];
		status = sm_view_init(&render->views[i], &types[i], err);
		if (status != SM_OK)
			return status;
		column->view = &render->views[i];
		choose_writer(render->format, column);
		status = make_prefix(render->format, types[i].name, i == 0, column);
	}
	return status == SM_OK ? SM_OK : sm_fail(err, status, "no memory for the names of the columns");
}

enum sm_status sm_render_new(enum sm_format format, const struct sm_duck_type *types, size_t count,
                             struct sm_render **out, struct sm_error *err)
{
	struct sm_render *render = calloc(1, sizeof *render);
	enum sm_status status;

	*out = NULL;
	if (render == NULL)
		return sm_fail(err, SM_NOMEM, "no memory for a renderer");
	render->format = format;
	render->views = calloc(count + 1, sizeof *render->views);
	render->columns = calloc(count + 1, sizeof *render->columns);
	sm_buf_init(&render->scratch, SCRATCH_MAX);
	if (render->views == NULL || render->columns == NULL) {
		status = sm_fail(err, SM_NOMEM, "no memory for a renderer");
	} else {
		render->count = count;
		status = fill(render, types, err);
	}
	if (status == SM_OK)
		*out = render;
	else
		sm_render_free(render);
	return status;
}

void sm_render_free(struct sm_render *render)
{
	if (render == NULL)
		return;
	for (size_t i = 0; i < render->count; i++) {
		sm_view_free(&render->views[i]);
		free(render->columns[i].prefix);
	}
	sm_buf_free(&render->scratch);
	free(render->views);
	free(render->columns);
	free(render);
}

struct sm_view *sm_render_views(struct sm_render *render)
{
	return render->views;
}

void sm_render_bind(struct sm_render *render, const struct sm_duckdb_api *api, duck_chunk chunk)
{
	for (size_t i = 0; i < render->count; i++)
		sm_view_bind(api, &render->views[i], api->data_chunk_get_vector(chunk, i));
}

static void put_row(struct out *o, struct sm_render *render, uint64_t row)
{
	for (size_t i = 0; i < render->count; i++) {
		const struct column *column = &render->columns[i];
		if (column->prefix_len > 0)
			put_bytes(o, column->prefix, column->prefix_len);
		if (!sm_view_is_null(column->view, row))
			column->write(o, render, column, row);
		else if (render->format != SM_FORMAT_CSV)
			PUT(o, "null");
	}
	if (render->format == SM_FORMAT_ROWS)
		PUT(o, "]\n");
	else if (render->format == SM_FORMAT_NDJSON)
		PUT(o, "}\n");
	else
		put_char(o, '\n');
}

enum sm_status sm_render_rows(struct sm_render *render, uint64_t *row, uint64_t end, struct sm_buf *buf,
                              struct sm_error *err)
{
	size_t whole = buf->len; /* bytes of complete rows */
	struct out o;

	sm_out_open(&o, buf);
	while (*row < end) {
		put_row(&o, render, *row);
		if (o.full != SM_OK)
			break;
		whole = (size_t)(o.at - buf->data);
		(*row)++;
	}
	sm_out_close(&o);
	if (o.full == SM_OK)
		return SM_OK;
	buf->len = whole;
	if (buf->data != NULL)
		buf->data[whole] = '\0';
	if (whole > 0 && o.full == SM_LIMIT)
		return SM_OK;
	return sm_fail(err, o.full, "a row of the result needs more than %zu bytes", buf->max);
}

enum sm_status sm_render_header(enum sm_format format, const struct sm_duck_type *types, size_t count,
                                struct sm_buf *buf)
{
	struct out o;

	if (format != SM_FORMAT_CSV)
		return SM_OK;
	sm_out_open(&o, buf);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			put_char(&o, ',');
		escape(&o, format, types[i].name, strlen(types[i].name));
	}
	put_char(&o, '\n');
	sm_out_close(&o);
	return o.full;
}

enum sm_status sm_render_value(const struct sm_view *view, uint64_t row, struct sm_buf *buf)
{
	struct out o;

	sm_out_open(&o, buf);
	sm_text_writer(view->type->id)(&o, view, row);
	sm_out_close(&o);
	return o.full;
}
