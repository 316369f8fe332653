/*
 * duckdb_api: the few DuckDB functions we use, found at run time.
 *
 * Our own declarations; the engine is never linked. sm_duckdb_load opens the
 * shared library once per process and fills a table of function pointers.
 * Relies on dlopen only; knows no connection, no thread and no Lua.
 */
#ifndef SM_DUCKDB_API_H
#define SM_DUCKDB_API_H

#include "status.h"

#include <stdbool.h>
#include <stdint.h>

/* Opaque handles of the engine. */
typedef struct duck_database_ *duck_database;
typedef struct duck_connection_ *duck_connection;
typedef struct duck_config_ *duck_config;
typedef struct duck_extracted_ *duck_extracted;
typedef struct duck_prepared_ *duck_prepared;
typedef struct duck_pending_ *duck_pending;
typedef struct duck_type_ *duck_type;
typedef struct duck_chunk_ *duck_chunk;
typedef struct duck_vector_ *duck_vector;
typedef struct duck_function_ *duck_function;
typedef struct duck_function_set_ *duck_function_set;
typedef struct duck_function_info_ *duck_function_info;

/* Layouts that cross the border. They are part of the engine's stable C interface. */
struct duck_result {
	uint64_t unused[3];
	void *columns;
	char *message;
	void *internal;
};
union duck_string {
	struct {
		uint32_t length;
		char prefix[4];
		char *bytes;
	} pointer; /* length > DUCK_INLINE */
	struct {
		uint32_t length;
		char bytes[12];
	} inlined;
};
#define DUCK_INLINE 12u
struct duck_list_entry {
	uint64_t offset;
	uint64_t length;
};
struct duck_hugeint {
	uint64_t lower;
	int64_t upper;
};
struct duck_interval {
	int32_t months;
	int32_t days;
	int64_t micros;
};
struct duck_progress {
	double percent;
	uint64_t rows;
	uint64_t total;
};

enum duck_type_id {
	DUCK_INVALID = 0,
	DUCK_BOOLEAN = 1,
	DUCK_TINYINT = 2,
	DUCK_SMALLINT = 3,
	DUCK_INTEGER = 4,
	DUCK_BIGINT = 5,
	DUCK_UTINYINT = 6,
	DUCK_USMALLINT = 7,
	DUCK_UINTEGER = 8,
	DUCK_UBIGINT = 9,
	DUCK_FLOAT = 10,
	DUCK_DOUBLE = 11,
	DUCK_TIMESTAMP = 12,
	DUCK_DATE = 13,
	DUCK_TIME = 14,
	DUCK_INTERVAL = 15,
	DUCK_HUGEINT = 16,
	DUCK_VARCHAR = 17,
	DUCK_BLOB = 18,
	DUCK_DECIMAL = 19,
	DUCK_TIMESTAMP_S = 20,
	DUCK_TIMESTAMP_MS = 21,
	DUCK_TIMESTAMP_NS = 22,
	DUCK_ENUM = 23,
	DUCK_LIST = 24,
	DUCK_STRUCT = 25,
	DUCK_MAP = 26,
	DUCK_UUID = 27,
	DUCK_UNION = 28,
	DUCK_BIT = 29,
	DUCK_TIME_TZ = 30,
	DUCK_TIMESTAMP_TZ = 31,
	DUCK_UHUGEINT = 32,
	DUCK_ARRAY = 33,
	DUCK_ANY = 34,
	DUCK_BIGNUM = 35,
	DUCK_SQLNULL = 36,
	DUCK_TIME_NS = 39
};

#define DUCK_SUCCESS 0

typedef void (*duck_scalar_fn)(duck_function_info info, duck_chunk input, duck_vector output);

/* F(result, name, (arguments)): every function of the table. */
#define SM_DUCKDB_REQUIRED(F)                                                                                          \
	F(const char *, library_version, (void))                                                                           \
	F(void, free, (void *bytes))                                                                                       \
	F(int, create_config, (duck_config * config))                                                                      \
	F(int, set_config, (duck_config config, const char *name, const char *value))                                      \
	F(void, destroy_config, (duck_config * config))                                                                    \
	F(int, open_ext, (const char *path, duck_database *db, duck_config config, char **error))                          \
	F(void, close, (duck_database * db))                                                                               \
	F(int, connect, (duck_database db, duck_connection * con))                                                         \
	F(void, disconnect, (duck_connection * con))                                                                       \
	F(void, interrupt, (duck_connection con))                                                                          \
	F(struct duck_progress, query_progress, (duck_connection con))                                                     \
	F(uint64_t, extract_statements, (duck_connection con, const char *sql, duck_extracted *out))                       \
	F(const char *, extract_statements_error, (duck_extracted extracted))                                              \
	F(int, prepare_extracted_statement,                                                                                \
	  (duck_connection con, duck_extracted extracted, uint64_t index, duck_prepared * out))                            \
	F(void, destroy_extracted, (duck_extracted * extracted))                                                           \
	F(const char *, prepare_error, (duck_prepared prepared))                                                           \
	F(void, destroy_prepare, (duck_prepared * prepared))                                                               \
	F(uint64_t, nparams, (duck_prepared prepared))                                                                     \
	F(int, bind_boolean, (duck_prepared prepared, uint64_t index, bool value))                                         \
	F(int, bind_int64, (duck_prepared prepared, uint64_t index, int64_t value))                                        \
	F(int, bind_double, (duck_prepared prepared, uint64_t index, double value))                                        \
	F(int, bind_varchar_length, (duck_prepared prepared, uint64_t index, const char *bytes, uint64_t length))          \
	F(int, bind_null, (duck_prepared prepared, uint64_t index))                                                        \
	F(int, pending_prepared, (duck_prepared prepared, duck_pending * out))                                             \
	F(const char *, pending_error, (duck_pending pending))                                                             \
	F(int, execute_pending, (duck_pending pending, struct duck_result * out))                                          \
	F(void, destroy_pending, (duck_pending * pending))                                                                 \
	F(void, destroy_result, (struct duck_result * result))                                                             \
	F(const char *, result_error, (struct duck_result * result))                                                       \
	F(uint64_t, column_count, (struct duck_result * result))                                                           \
	F(const char *, column_name, (struct duck_result * result, uint64_t column))                                       \
	F(duck_type, column_logical_type, (struct duck_result * result, uint64_t column))                                  \
	F(uint64_t, rows_changed, (struct duck_result * result))                                                           \
	F(int, result_return_type, (struct duck_result result))                                                            \
	F(duck_chunk, fetch_chunk, (struct duck_result result))                                                            \
	F(uint64_t, data_chunk_get_size, (duck_chunk chunk))                                                               \
	F(duck_vector, data_chunk_get_vector, (duck_chunk chunk, uint64_t column))                                         \
	F(void, destroy_data_chunk, (duck_chunk * chunk))                                                                  \
	F(void *, vector_get_data, (duck_vector vector))                                                                   \
	F(uint64_t *, vector_get_validity, (duck_vector vector))                                                           \
	F(duck_vector, list_vector_get_child, (duck_vector vector))                                                        \
	F(duck_vector, struct_vector_get_child, (duck_vector vector, uint64_t index))                                      \
	F(duck_vector, array_vector_get_child, (duck_vector vector))                                                       \
	F(int, get_type_id, (duck_type type))                                                                              \
	F(char *, logical_type_get_alias, (duck_type type))                                                                \
	F(uint8_t, decimal_width, (duck_type type))                                                                        \
	F(uint8_t, decimal_scale, (duck_type type))                                                                        \
	F(int, decimal_internal_type, (duck_type type))                                                                    \
	F(int, enum_internal_type, (duck_type type))                                                                       \
	F(uint32_t, enum_dictionary_size, (duck_type type))                                                                \
	F(char *, enum_dictionary_value, (duck_type type, uint64_t index))                                                 \
	F(duck_type, list_type_child_type, (duck_type type))                                                               \
	F(duck_type, array_type_child_type, (duck_type type))                                                              \
	F(uint64_t, array_type_array_size, (duck_type type))                                                               \
	F(duck_type, map_type_key_type, (duck_type type))                                                                  \
	F(duck_type, map_type_value_type, (duck_type type))                                                                \
	F(uint64_t, struct_type_child_count, (duck_type type))                                                             \
	F(char *, struct_type_child_name, (duck_type type, uint64_t index))                                                \
	F(duck_type, struct_type_child_type, (duck_type type, uint64_t index))                                             \
	F(uint64_t, union_type_member_count, (duck_type type))                                                             \
	F(char *, union_type_member_name, (duck_type type, uint64_t index))                                                \
	F(duck_type, union_type_member_type, (duck_type type, uint64_t index))                                             \
	F(void, destroy_logical_type, (duck_type * type))                                                                  \
	F(duck_function, create_scalar_function, (void))                                                                   \
	F(void, destroy_scalar_function, (duck_function * function))                                                       \
	F(void, scalar_function_set_name, (duck_function function, const char *name))                                      \
	F(void, scalar_function_add_parameter, (duck_function function, duck_type type))                                   \
	F(void, scalar_function_set_return_type, (duck_function function, duck_type type))                                 \
	F(void, scalar_function_set_function, (duck_function function, duck_scalar_fn run))                                \
	F(void, scalar_function_set_extra_info, (duck_function function, void *extra, void (*destroy)(void *)))            \
	F(void *, scalar_function_get_extra_info, (duck_function_info info))                                               \
	F(void, scalar_function_set_error, (duck_function_info info, const char *message))                                 \
	F(duck_function_set, create_scalar_function_set, (const char *name))                                               \
	F(void, destroy_scalar_function_set, (duck_function_set * set))                                                    \
	F(int, add_scalar_function_to_set, (duck_function_set set, duck_function function))                                \
	F(int, register_scalar_function_set, (duck_connection con, duck_function_set set))                                 \
	F(duck_type, create_logical_type, (int id))                                                                        \
	F(duck_type, create_list_type, (duck_type child))                                                                  \
	F(void, vector_ensure_validity_writable, (duck_vector vector))                                                     \
	F(void, vector_assign_string_element_len, (duck_vector vector, uint64_t row, const char *bytes, uint64_t length))

/* Functions we can do without. */
#define SM_DUCKDB_OPTIONAL(F) F(int, pending_prepared_streaming, (duck_prepared prepared, duck_pending * out))

#define SM_DUCKDB_FIELD(result, name, arguments) result(*name) arguments;
struct sm_duckdb_api {
	char path[4096]; /* the library that was opened */
	SM_DUCKDB_REQUIRED(SM_DUCKDB_FIELD)
	SM_DUCKDB_OPTIONAL(SM_DUCKDB_FIELD)
};
#undef SM_DUCKDB_FIELD

/*
 * Opens the library, once per process; later calls answer what the first success found.
 * path: a file, or NULL for the search order: $SM_DUCKDB_LIB, ../lib and lib beside and above the program, the loader's
 * path. SM_NOTFOUND with "engine unavailable: ..." when there is none; SM_ENGINE when it lacks a function. Any thread;
 * blocks (15 ms).
 */
enum sm_status sm_duckdb_load(const char *path, const struct sm_duckdb_api **out, struct sm_error *err);
/* The table, or NULL before sm_duckdb_load succeeded. */
const struct sm_duckdb_api *sm_duckdb_api(void);

#endif
