/*
 * See duckdb_functions.h. Each function is a row of a table: name, types of the
 * arguments, type of the result, and what computes it. Rows with the same name
 * are overloads. NULL in any argument is NULL out.
 */
#include "duckdb_functions.h"

#include "duckdb_function_row.h"

#include <string.h>

/* ---- integer division that raises, as Trino's does ---- */

#define DIVIDE(width, type, minimum)                                                                                   \
	static void divide_##width(struct sm_fn_row *r)                                                                    \
	{                                                                                                                  \
		type a = ((const type *)r->data[0])[r->row], b = ((const type *)r->data[1])[r->row];                           \
		if (b == 0)                                                                                                    \
			sm_fn_fail(r, "Division by zero");                                                                         \
		else if (b == -1 && a == (minimum))                                                                            \
			sm_fn_fail(r, "integer division overflow");                                                                \
		else                                                                                                           \
			((type *)r->out)[r->row] = (type)(a / b);                                                                  \
	}                                                                                                                  \
	static void modulo_##width(struct sm_fn_row *r)                                                                    \
	{                                                                                                                  \
		type a = ((const type *)r->data[0])[r->row], b = ((const type *)r->data[1])[r->row];                           \
		if (b == 0)                                                                                                    \
			sm_fn_fail(r, "Division by zero");                                                                         \
		else                                                                                                           \
			((type *)r->out)[r->row] = (type)(b == -1 ? 0 : a % b);                                                    \
	}

DIVIDE(8, int8_t, INT8_MIN)
DIVIDE(16, int16_t, INT16_MIN)
DIVIDE(32, int32_t, INT32_MIN)
DIVIDE(64, int64_t, INT64_MIN)
/* The engine's 128-bit integers have the layout of ours: low half first. */
#define INT128_MIN ((__int128)((unsigned __int128)1 << 127))
DIVIDE(128, __int128, INT128_MIN)

static const struct sm_fn arithmetic[] = {
    {"trino_div", "tt", 't', divide_8},
    {"trino_div", "ss", 's', divide_16},
    {"trino_div", "ii", 'i', divide_32},
    {"trino_div", "ll", 'l', divide_64},
    {"trino_div", "hh", 'h', divide_128},
    {"trino_mod", "tt", 't', modulo_8},
    {"trino_mod", "ss", 's', modulo_16},
    {"trino_mod", "ii", 'i', modulo_32},
    {"trino_mod", "ll", 'l', modulo_64},
    {"trino_mod", "hh", 'h', modulo_128},
    {NULL, NULL, 0, NULL},
};

/* ---- registration ---- */

static duck_type make_type(const struct sm_duckdb_api *api, char code)
{
	static const struct {
		char code;
		int id;
	} ids[] = {
	    {'b', DUCK_BOOLEAN}, {'t', DUCK_TINYINT},   {'s', DUCK_SMALLINT},     {'i', DUCK_INTEGER}, {'l', DUCK_BIGINT},
	    {'h', DUCK_HUGEINT}, {'f', DUCK_FLOAT},     {'d', DUCK_DOUBLE},       {'v', DUCK_VARCHAR}, {'x', DUCK_BLOB},
	    {'D', DUCK_DATE},    {'T', DUCK_TIMESTAMP}, {'Z', DUCK_TIMESTAMP_TZ},
	};

	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
		if (ids[i].code == code)
			return api->create_logical_type(ids[i].id);
	return NULL;
}

static void add_overload(const struct sm_duckdb_api *api, duck_function_set set, const struct sm_fn *fn)
{
	duck_function function = api->create_scalar_function();
	duck_type type;

	api->scalar_function_set_name(function, fn->name);
	for (const char *code = fn->arguments; *code != '\0'; code++) {
		type = make_type(api, *code);
		api->scalar_function_add_parameter(function, type);
		api->destroy_logical_type(&type);
	}
	type = make_type(api, fn->result);
	api->scalar_function_set_return_type(function, type);
	api->destroy_logical_type(&type);
	/* The row of the table travels as extra information; it is never changed and never freed. */
	api->scalar_function_set_extra_info(function, (void *)(uintptr_t)fn, NULL);
	api->scalar_function_set_function(function, sm_fn_run);
	api->add_scalar_function_to_set(set, function);
	api->destroy_scalar_function(&function);
}

static enum sm_status register_list(const struct sm_duckdb_api *api, duck_connection raw, const struct sm_fn *list,
                                    struct sm_error *err)
{
	while (list->name != NULL) {
		const char *name = list->name;
		duck_function_set set = api->create_scalar_function_set(name);
		int code;
		for (; list->name != NULL && strcmp(list->name, name) == 0; list++)
			add_overload(api, set, list);
		code = api->register_scalar_function_set(raw, set);
		api->destroy_scalar_function_set(&set);
		if (code != DUCK_SUCCESS)
			return sm_fail(err, SM_ENGINE, "the engine refused the function %s", name);
	}
	return SM_OK;
}

enum sm_status sm_duck_register_functions(const struct sm_duckdb_api *api, duck_connection raw, struct sm_error *err)
{
	const struct sm_fn *const lists[] = {arithmetic, sm_fn_text_list, sm_fn_url_list, sm_fn_time_list,
	                                     sm_fn_bytes_list};
	enum sm_status status = SM_OK;

	for (size_t i = 0; i < sizeof lists / sizeof *lists && status == SM_OK; i++)
		status = register_list(api, raw, lists[i], err);
	return status;
}
