-- Builds a table from a query beside the one it will replace.
-- @param target qualified_name
-- @param location location
-- @param format one_of(PARQUET)
-- @param compression one_of(ZSTD, SNAPPY, GZIP)
-- @param select checked_select
CREATE TABLE {target}
WITH (table_type = 'ICEBERG', format = '{format}', write_compression = '{compression}', is_external = false, location = {location})
AS {select}
