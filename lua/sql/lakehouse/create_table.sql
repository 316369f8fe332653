-- Makes an empty Iceberg table with the declared columns when it is not there.
-- @param table qualified_name
-- @param location location
-- @param keep_seconds integer
-- @param columns list(name identifier, type sql_type)
CREATE TABLE IF NOT EXISTS {table}
WITH (table_type = 'ICEBERG', format = 'PARQUET', is_external = false, location = {location},
  vacuum_max_snapshot_age_seconds = {keep_seconds})
AS SELECT {each columns ", "}CAST(NULL AS {columns.type}) AS {columns.name}{end}
WITH NO DATA
