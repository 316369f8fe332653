/*
 * duckdb_type: the type of a result column as a plain tree, and its names.
 *
 * Read once per result from the engine's logical types; rendering and the
 * conversion to Lua then never ask the engine about types again. Names come in
 * three dialects: DuckDB's, Trino's, and the short one of Athena's ColumnInfo.
 */
#ifndef SM_DUCKDB_TYPE_H
#define SM_DUCKDB_TYPE_H

#include "buf.h"
#include "duckdb_api.h"

struct sm_duck_type {
	char *name;                    /* of the column, field or union member; "" for elements, keys and values */
	int id;                        /* enum duck_type_id */
	int physical;                  /* DECIMAL and ENUM: the integer type they are stored in */
	unsigned width;                /* DECIMAL */
	unsigned scale;                /* DECIMAL */
	bool json;                     /* VARCHAR that holds JSON */
	uint64_t array_size;           /* ARRAY */
	struct sm_duck_type *children; /* LIST, ARRAY: element; MAP: key, value; STRUCT, UNION: fields */
	size_t child_count;
	char **words; /* ENUM */
	size_t word_count;
};

/* Fills out from the engine's type; SM_ENGINE for a type we cannot show. Free with sm_duck_type_free, also after
 * failure. */
enum sm_status sm_duck_type_read(const struct sm_duckdb_api *api, duck_type type, const char *name,
                                 struct sm_duck_type *out, struct sm_error *err);
void sm_duck_type_free(struct sm_duck_type *type);

/* Appends e.g. "DECIMAL(12,2)[]". */
enum sm_status sm_duck_type_text(const struct sm_duck_type *type, struct sm_buf *out);
/* Appends e.g. "array(decimal(12,2))". */
enum sm_status sm_duck_type_trino(const struct sm_duck_type *type, struct sm_buf *out);

/* What Athena's ColumnInfo says. */
struct sm_athena_type {
	const char *type;
	int64_t precision;
	int64_t scale;
};
struct sm_athena_type sm_duck_type_athena(const struct sm_duck_type *type);

#endif
