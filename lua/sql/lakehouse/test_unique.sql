-- Data test: combinations of values that occur more than once.
-- @param table qualified_name
-- @param columns list(name identifier)
SELECT COUNT(*) AS failing
FROM (SELECT COUNT(*) AS times FROM {table} t GROUP BY {each columns ", "}t.{columns.name}{end} HAVING COUNT(*) > 1) d
