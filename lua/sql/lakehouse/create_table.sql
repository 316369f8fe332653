-- Makes an empty Iceberg table with the declared columns when it is not there.
-- @param table qualified_name
-- @param location location
-- @param columns list(name identifier, type sql_type)
CREATE TABLE IF NOT EXISTS {table}
WITH (table_type = 'ICEBERG', format = 'PARQUET', is_external = false, location = {location})
AS SELECT {each columns ", "}CAST(NULL AS {columns.type}) AS {columns.name}{end}
WITH NO DATA
