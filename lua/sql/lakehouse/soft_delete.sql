-- Marks rows deleted whose key the load no longer has. A row that came but could not be read is not a deletion: keys
-- in quarantine for the same run stay as they are.
-- @param silver qualified_name
-- @param staging qualified_name
-- @param quarantine qualified_name
-- @param run date
-- @param keys list(name identifier, type sql_type)
UPDATE {silver}
SET is_deleted = TRUE
WHERE is_deleted IS DISTINCT FROM TRUE
  AND ({each keys ", "}{keys.name}{end}) NOT IN (SELECT ({each keys ", "}s.{keys.name}{end}) FROM {staging} s)
  AND ({each keys ", "}{keys.name}{end}) NOT IN (
    SELECT ({each keys ", "}TRY_CAST(TRIM(q.{keys.name}) AS {keys.type}){end})
    FROM {quarantine} q
    WHERE q.run = {run}{each keys} AND TRY_CAST(TRIM(q.{keys.name}) AS {keys.type}) IS NOT NULL{end})
