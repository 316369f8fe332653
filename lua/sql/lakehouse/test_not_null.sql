-- Data test: rows without a value.
-- @param table qualified_name
-- @param column identifier
SELECT COUNT(*) AS failing FROM {table} t WHERE t.{column} IS NULL
