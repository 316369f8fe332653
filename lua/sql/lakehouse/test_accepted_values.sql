-- Data test: rows whose value is none of the accepted ones. No value at all is for not_null to judge.
-- @param table qualified_name
-- @param column identifier
-- @param values list(value text)
SELECT COUNT(*) AS failing FROM {table} t
WHERE t.{column} IS NOT NULL AND CAST(t.{column} AS varchar) NOT IN ({each values ", "}{values.value}{end})
