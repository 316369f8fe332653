-- Fills staging from the bronze partition of a run: values trimmed and cast, unreadable rows left out (quarantine.sql
-- keeps those), of several rows per key the latest; ties are decided by the other columns, so the answer is always the same.
-- Each value is read once; unreadable rows lose inside the ranking, so that no filter has to read it again.
-- @param staging qualified_name
-- @param bronze qualified_name
-- @param run date
-- @param columns list(name identifier)
-- @param keys list(name identifier)
-- @param newer list(name identifier)
-- @param texts list(name identifier)
-- @param times list(name identifier, type sql_type, raw identifier)
-- @param typed list(name identifier, type sql_type, raw identifier)
INSERT INTO {staging} ({each columns}{columns.name}, {end}dms_received_ts)
WITH trimmed AS (
  SELECT {each columns ", "}TRIM(CAST(b.{columns.name} AS varchar)) AS {columns.name}{end}
  FROM {bronze} b
  WHERE b.run = {run}
),
readable AS (
  SELECT {each texts}t.{texts.name}, {end}
    {each times}TRY_CAST(REPLACE(REPLACE(t.{times.name}, 'T', ' '), 'Z', '') AS {times.type}) AS {times.name}, t.{times.name} AS {times.raw},
    {end}{each typed}TRY_CAST(t.{typed.name} AS {typed.type}) AS {typed.name}, t.{typed.name} AS {typed.raw},
    {end}1 AS one
  FROM trimmed t
),
judged AS (
  SELECT {each columns}r.{columns.name}, {end}
    FALSE
    {each keys}OR COALESCE(CAST(r.{keys.name} AS varchar), '') = ''
    {end}{each times}OR (r.{times.name} IS NULL AND r.{times.raw} IS NOT NULL AND r.{times.raw} <> '')
    {end}{each typed}OR (r.{typed.name} IS NULL AND r.{typed.raw} IS NOT NULL AND r.{typed.raw} <> '')
    {end}AS is_bad
  FROM readable r
),
ranked AS (
  SELECT {each columns}j.{columns.name}, {end}j.is_bad,
    ROW_NUMBER() OVER (
      PARTITION BY {each keys ", "}j.{keys.name}{end}
      ORDER BY j.is_bad, {each newer}j.{newer.name} DESC NULLS LAST, {end}{each columns ", "}j.{columns.name} DESC NULLS LAST{end}
    ) AS place
  FROM judged j
)
SELECT {each columns}k.{columns.name}, {end}CAST({run} AS timestamp(6)) AS dms_received_ts
FROM ranked k
WHERE k.place = 1 AND NOT k.is_bad
