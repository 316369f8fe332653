/*
 * duckdb_functions: scalar functions of the Trino dialect that no DuckDB macro
 * can express exactly. Their names begin with trino_.
 */
#ifndef SM_DUCKDB_FUNCTIONS_H
#define SM_DUCKDB_FUNCTIONS_H

#include "duckdb_api.h"

/* Registers all of them for the whole database. */
enum sm_status sm_duck_register_functions(const struct sm_duckdb_api *api, duck_connection raw, struct sm_error *err);

#endif
