-- Data test: fails when even the latest value is older than so many days before the run.
-- @param table qualified_name
-- @param column identifier
-- @param run date
-- @param days integer
SELECT COUNT(*) AS failing
FROM (SELECT MAX(t.{column}) AS latest FROM {table} t) m
WHERE m.latest IS NULL OR CAST(m.latest AS timestamp(6)) < DATE_ADD('day', -{days}, CAST({run} AS timestamp(6)))
