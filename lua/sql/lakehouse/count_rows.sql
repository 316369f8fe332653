-- How many rows a table holds.
-- @param table qualified_name
SELECT COUNT(*) AS rows_counted FROM {table} t
