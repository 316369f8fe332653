-- Puts the unreadable rows of a run aside: the values as they came, and every reason. Mirror image of stage.sql.
-- @param quarantine qualified_name
-- @param bronze qualified_name
-- @param run date
-- @param columns list(name identifier, raw identifier)
-- @param keys list(name identifier, missing text)
-- @param times list(name identifier, type sql_type, unreadable text)
-- @param typed list(name identifier, type sql_type, unreadable text)
INSERT INTO {quarantine} ({each columns}{columns.name}, {end}reject_reason, run)
WITH trimmed AS (
  SELECT {each columns ", "}CAST(b.{columns.name} AS varchar) AS {columns.raw}, TRIM(CAST(b.{columns.name} AS varchar)) AS {columns.name}{end}
  FROM {bronze} b
  WHERE b.run = {run}
)
SELECT {each columns}q.{columns.raw}, {end}
  CONCAT_WS('; '
    {each keys}, CASE WHEN COALESCE(q.{keys.name}, '') = '' THEN {keys.missing} END
    {end}{each times}, CASE WHEN q.{times.name} <> '' AND TRY_CAST(REPLACE(REPLACE(q.{times.name}, 'T', ' '), 'Z', '') AS {times.type}) IS NULL THEN {times.unreadable} END
    {end}{each typed}, CASE WHEN q.{typed.name} <> '' AND TRY_CAST(q.{typed.name} AS {typed.type}) IS NULL THEN {typed.unreadable} END
    {end}) AS reject_reason,
  {run} AS run
FROM trimmed q
WHERE FALSE
  {each keys}OR COALESCE(q.{keys.name}, '') = ''
  {end}{each times}OR (q.{times.name} <> '' AND TRY_CAST(REPLACE(REPLACE(q.{times.name}, 'T', ' '), 'Z', '') AS {times.type}) IS NULL)
  {end}{each typed}OR (q.{typed.name} <> '' AND TRY_CAST(q.{typed.name} AS {typed.type}) IS NULL)
  {end}
