-- Puts the unreadable rows of a run aside: the values as they came, and every reason. Mirror image of stage.sql.
-- @param quarantine qualified_name
-- @param bronze qualified_name
-- @param run date
-- @param columns list(name identifier)
-- @param keys list(name identifier, missing text)
-- @param times list(name identifier, type sql_type, unreadable text)
-- @param typed list(name identifier, type sql_type, unreadable text)
INSERT INTO {quarantine} ({each columns}{columns.name}, {end}reject_reason, run)
SELECT {each columns}q.{columns.name}, {end}q.reject_reason, {run} AS run
FROM (
  SELECT
    {each columns}CAST(b.{columns.name} AS varchar) AS {columns.name},
    {end}CONCAT_WS('; '
    {each keys}, CASE WHEN NULLIF(TRIM(CAST(b.{keys.name} AS varchar)), '') IS NULL THEN {keys.missing} END
    {end}{each times}, CASE WHEN NULLIF(TRIM(CAST(b.{times.name} AS varchar)), '') IS NOT NULL AND TRY_CAST(REPLACE(NULLIF(TRIM(CAST(b.{times.name} AS varchar)), ''), 'T', ' ') AS {times.type}) IS NULL THEN {times.unreadable} END
    {end}{each typed}, CASE WHEN NULLIF(TRIM(CAST(b.{typed.name} AS varchar)), '') IS NOT NULL AND TRY_CAST(NULLIF(TRIM(CAST(b.{typed.name} AS varchar)), '') AS {typed.type}) IS NULL THEN {typed.unreadable} END
    {end}) AS reject_reason
  FROM {bronze} b
  WHERE b.run = {run}
) q
WHERE q.reject_reason <> ''
