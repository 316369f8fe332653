/* See duckdb_type.h. */
#include "duckdb_type.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 64

struct names {
	int id;
	const char *duckdb;
	const char *trino;
	const char *athena;
	int64_t precision;
};

/* Unsigned and 128-bit integers do not exist in Trino: the engine's functions return them where Trino's return bigint.
 */
static const struct names all_names[] = {
    {DUCK_BOOLEAN, "BOOLEAN", "boolean", "boolean", 0},
    {DUCK_TINYINT, "TINYINT", "tinyint", "tinyint", 3},
    {DUCK_SMALLINT, "SMALLINT", "smallint", "smallint", 5},
    {DUCK_INTEGER, "INTEGER", "integer", "integer", 10},
    {DUCK_BIGINT, "BIGINT", "bigint", "bigint", 19},
    {DUCK_UTINYINT, "UTINYINT", "smallint", "smallint", 5},
    {DUCK_USMALLINT, "USMALLINT", "integer", "integer", 10},
    {DUCK_UINTEGER, "UINTEGER", "bigint", "bigint", 19},
    {DUCK_UBIGINT, "UBIGINT", "bigint", "bigint", 19},
    {DUCK_HUGEINT, "HUGEINT", "bigint", "bigint", 19},
    {DUCK_UHUGEINT, "UHUGEINT", "bigint", "bigint", 19},
    {DUCK_FLOAT, "FLOAT", "real", "float", 17},
    {DUCK_DOUBLE, "DOUBLE", "double", "double", 17},
    {DUCK_DECIMAL, "DECIMAL", "decimal", "decimal", 0},
    {DUCK_VARCHAR, "VARCHAR", "varchar", "varchar", 2147483647},
    {DUCK_BLOB, "BLOB", "varbinary", "varbinary", 1073741824},
    {DUCK_BIT, "BIT", "varchar", "varchar", 2147483647},
    {DUCK_DATE, "DATE", "date", "date", 0},
    {DUCK_TIME, "TIME", "time(6)", "time", 3},
    {DUCK_TIME_NS, "TIME_NS", "time(9)", "time", 3},
    {DUCK_TIME_TZ, "TIME WITH TIME ZONE", "time(6) with time zone", "time with time zone", 3},
    {DUCK_TIMESTAMP, "TIMESTAMP", "timestamp(6)", "timestamp", 3},
    {DUCK_TIMESTAMP_S, "TIMESTAMP_S", "timestamp(0)", "timestamp", 3},
    {DUCK_TIMESTAMP_MS, "TIMESTAMP_MS", "timestamp(3)", "timestamp", 3},
    {DUCK_TIMESTAMP_NS, "TIMESTAMP_NS", "timestamp(9)", "timestamp", 3},
    {DUCK_TIMESTAMP_TZ, "TIMESTAMP WITH TIME ZONE", "timestamp(6) with time zone", "timestamp with time zone", 3},
    {DUCK_INTERVAL, "INTERVAL", "interval day to second", "interval day to second", 0},
    {DUCK_UUID, "UUID", "uuid", "uuid", 0},
    {DUCK_ENUM, "ENUM", "varchar", "varchar", 2147483647},
    {DUCK_LIST, "LIST", "array", "array", 0},
    {DUCK_ARRAY, "ARRAY", "array", "array", 0},
    {DUCK_MAP, "MAP", "map", "map", 0},
    {DUCK_STRUCT, "STRUCT", "row", "row", 0},
    {DUCK_UNION, "UNION", "varchar", "varchar", 2147483647},
    {DUCK_SQLNULL, "\"NULL\"", "unknown", "unknown", 0},
};

static const struct names *names_of(int id)
{
	for (size_t i = 0; i < sizeof all_names / sizeof *all_names; i++)
		if (all_names[i].id == id)
			return &all_names[i];
	return NULL;
}

/* ---- reading ---- */

static enum sm_status read_type(const struct sm_duckdb_api *api, duck_type type, const char *name,
                                struct sm_duck_type *out, unsigned depth, struct sm_error *err);

static enum sm_status make_children(struct sm_duck_type *out, uint64_t count, struct sm_error *err)
{
	out->children = calloc(count + 1, sizeof *out->children);
	if (out->children == NULL)
		return sm_fail(err, SM_NOMEM, "no memory for the type of a column");
	out->child_count = count;
	return SM_OK;
}

/* Reads child i and gives the engine's type back. */
static enum sm_status read_child(const struct sm_duckdb_api *api, duck_type child, const char *name,
                                 struct sm_duck_type *out, uint64_t i, unsigned depth, struct sm_error *err)
{
	enum sm_status status = read_type(api, child, name, &out->children[i], depth + 1, err);

	api->destroy_logical_type(&child);
	return status;
}

static enum sm_status read_element(const struct sm_duckdb_api *api, duck_type child, struct sm_duck_type *out,
                                   unsigned depth, struct sm_error *err)
{
	enum sm_status status = make_children(out, 1, err);

	if (status != SM_OK) {
		api->destroy_logical_type(&child);
		return status;
	}
	return read_child(api, child, "", out, 0, depth, err);
}

static enum sm_status read_map(const struct sm_duckdb_api *api, duck_type type, struct sm_duck_type *out,
                               unsigned depth, struct sm_error *err)
{
	enum sm_status status = make_children(out, 2, err);

	if (status == SM_OK)
		status = read_child(api, api->map_type_key_type(type), "", out, 0, depth, err);
	if (status == SM_OK)
		status = read_child(api, api->map_type_value_type(type), "", out, 1, depth, err);
	return status;
}

static enum sm_status read_fields(const struct sm_duckdb_api *api, duck_type type, struct sm_duck_type *out,
                                  unsigned depth, struct sm_error *err)
{
	bool is_union = out->id == DUCK_UNION;
	uint64_t count = is_union ? api->union_type_member_count(type) : api->struct_type_child_count(type);
	enum sm_status status = make_children(out, count, err);

	for (uint64_t i = 0; i < count && status == SM_OK; i++) {
		char *name = is_union ? api->union_type_member_name(type, i) : api->struct_type_child_name(type, i);
		duck_type child = is_union ? api->union_type_member_type(type, i) : api->struct_type_child_type(type, i);
		status = read_child(api, child, name, out, i, depth, err);
		api->free(name);
	}
	return status;
}

static enum sm_status read_enum(const struct sm_duckdb_api *api, duck_type type, struct sm_duck_type *out,
                                struct sm_error *err)
{
	uint64_t count = api->enum_dictionary_size(type);

	out->physical = api->enum_internal_type(type);
	out->words = calloc(count + 1, sizeof *out->words);
	if (out->words == NULL)
		return sm_fail(err, SM_NOMEM, "no memory for the words of an ENUM");
	for (uint64_t i = 0; i < count; i++) {
		char *word = api->enum_dictionary_value(type, i);
		out->words[i] = strdup(word);
		out->word_count = i + 1;
		api->free(word);
		if (out->words[i] == NULL)
			return sm_fail(err, SM_NOMEM, "no memory for the words of an ENUM");
	}
	return SM_OK;
}

static void read_alias(const struct sm_duckdb_api *api, duck_type type, struct sm_duck_type *out)
{
	char *alias = api->logical_type_get_alias(type);

	out->json = alias != NULL && strcmp(alias, "JSON") == 0;
	api->free(alias);
}

static enum sm_status read_type(const struct sm_duckdb_api *api, duck_type type, const char *name,
                                struct sm_duck_type *out, unsigned depth, struct sm_error *err)
{
	out->name = strdup(name != NULL ? name : "");
	if (out->name == NULL)
		return sm_fail(err, SM_NOMEM, "no memory for the name of a column");
	out->id = api->get_type_id(type);
	if (names_of(out->id) == NULL || depth > MAX_DEPTH)
		return sm_fail(err, SM_ENGINE, "column \"%s\" has a type that cannot be shown; CAST it to VARCHAR", out->name);
	switch (out->id) {
	case DUCK_DECIMAL:
		out->physical = api->decimal_internal_type(type);
		out->width = api->decimal_width(type);
		out->scale = api->decimal_scale(type);
		return SM_OK;
	case DUCK_VARCHAR:
		read_alias(api, type, out);
		return SM_OK;
	case DUCK_ENUM:
		return read_enum(api, type, out, err);
	case DUCK_LIST:
		return read_element(api, api->list_type_child_type(type), out, depth, err);
	case DUCK_ARRAY:
		out->array_size = api->array_type_array_size(type);
		return read_element(api, api->array_type_child_type(type), out, depth, err);
	case DUCK_MAP:
		return read_map(api, type, out, depth, err);
	case DUCK_STRUCT:
	case DUCK_UNION:
		return read_fields(api, type, out, depth, err);
	default:
		return SM_OK;
	}
}

enum sm_status sm_duck_type_read(const struct sm_duckdb_api *api, duck_type type, const char *name,
                                 struct sm_duck_type *out, struct sm_error *err)
{
	memset(out, 0, sizeof *out);
	return read_type(api, type, name, out, 0, err);
}

void sm_duck_type_free(struct sm_duck_type *type)
{
	for (size_t i = 0; i < type->child_count; i++)
		sm_duck_type_free(&type->children[i]);
	for (size_t i = 0; i < type->word_count; i++)
		free(type->words[i]);
	free(type->children);
	free(type->words);
	free(type->name);
	memset(type, 0, sizeof *type);
}

/* ---- names ---- */

static void add_quoted(struct sm_buf *out, const char *name)
{
	sm_buf_addc(out, '"');
	for (; *name != '\0'; name++) {
		if (*name == '"')
			sm_buf_addc(out, '"');
		sm_buf_addc(out, *name);
	}
	sm_buf_addc(out, '"');
}

/* A name that needs no quotes in either dialect. */
static bool is_plain(const char *name)
{
	if ((*name < 'a' || *name > 'z') && *name != '_')
		return false;
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static void add_name(struct sm_buf *out, const char *name)
{
	if (is_plain(name))
		sm_buf_adds(out, name);
	else
		add_quoted(out, name);
}

typedef enum sm_status (*type_writer)(const struct sm_duck_type *type, struct sm_buf *out);

static enum sm_status add_fields(const struct sm_duck_type *type, struct sm_buf *out, type_writer write)
{
	enum sm_status status = sm_buf_addc(out, '(');

	for (size_t i = 0; i < type->child_count; i++) {
		if (i > 0)
			sm_buf_adds(out, ", ");
		if (type->children[i].name[0] != '\0') {
			add_name(out, type->children[i].name);
			sm_buf_addc(out, ' ');
		}
		write(&type->children[i], out);
	}
	status = sm_buf_addc(out, ')');
	return status;
}

enum sm_status sm_duck_type_text(const struct sm_duck_type *type, struct sm_buf *out)
{
	switch (type->id) {
	case DUCK_DECIMAL:
		return sm_buf_addf(out, "DECIMAL(%u,%u)", type->width, type->scale);
	case DUCK_VARCHAR:
		return sm_buf_adds(out, type->json ? "JSON" : "VARCHAR");
	case DUCK_LIST:
		sm_duck_type_text(&type->children[0], out);
		return sm_buf_adds(out, "[]");
	case DUCK_ARRAY:
		sm_duck_type_text(&type->children[0], out);
		return sm_buf_addf(out, "[%llu]", (unsigned long long)type->array_size);
	case DUCK_MAP:
	case DUCK_STRUCT:
	case DUCK_UNION:
		sm_buf_adds(out, names_of(type->id)->duckdb);
		return add_fields(type, out, sm_duck_type_text);
	default:
		return sm_buf_adds(out, names_of(type->id)->duckdb);
	}
}

enum sm_status sm_duck_type_trino(const struct sm_duck_type *type, struct sm_buf *out)
{
	switch (type->id) {
	case DUCK_DECIMAL:
		return sm_buf_addf(out, "decimal(%u,%u)", type->width, type->scale);
	case DUCK_VARCHAR:
		return sm_buf_adds(out, type->json ? "json" : "varchar");
	case DUCK_LIST:
	case DUCK_ARRAY:
	case DUCK_MAP:
	case DUCK_STRUCT:
		sm_buf_adds(out, names_of(type->id)->trino);
		return add_fields(type, out, sm_duck_type_trino);
	default:
		return sm_buf_adds(out, names_of(type->id)->trino);
	}
}

struct sm_athena_type sm_duck_type_athena(const struct sm_duck_type *type)
{
	const struct names *names = names_of(type->id);

	if (type->id == DUCK_DECIMAL)
		return (struct sm_athena_type){"decimal", type->width, type->scale};
	if (type->json)
		return (struct sm_athena_type){"json", 0, 0};
	return (struct sm_athena_type){names->athena, names->precision, 0};
}
