-- Fills staging from the bronze partition of a run: values trimmed and cast, unreadable rows left out (quarantine.sql
-- keeps those), of several rows per key the latest; ties are decided by the other columns, so the answer is always the same.
-- @param staging qualified_name
-- @param bronze qualified_name
-- @param run date
-- @param keys list(name identifier)
-- @param newer list(name identifier)
-- @param texts list(name identifier)
-- @param times list(name identifier, type sql_type)
-- @param typed list(name identifier, type sql_type)
INSERT INTO {staging} ({each texts}{texts.name}, {end}{each times}{times.name}, {end}{each typed}{typed.name}, {end}dms_received_ts)
WITH readable AS (
  SELECT
    {each texts}TRIM(CAST(b.{texts.name} AS varchar)) AS {texts.name},
    {end}{each times}TRY_CAST(REPLACE(NULLIF(TRIM(CAST(b.{times.name} AS varchar)), ''), 'T', ' ') AS {times.type}) AS {times.name},
    {end}{each typed}TRY_CAST(NULLIF(TRIM(CAST(b.{typed.name} AS varchar)), '') AS {typed.type}) AS {typed.name},
    {end}FALSE
    {each keys}OR NULLIF(TRIM(CAST(b.{keys.name} AS varchar)), '') IS NULL
    {end}{each times}OR (NULLIF(TRIM(CAST(b.{times.name} AS varchar)), '') IS NOT NULL AND TRY_CAST(REPLACE(NULLIF(TRIM(CAST(b.{times.name} AS varchar)), ''), 'T', ' ') AS {times.type}) IS NULL)
    {end}{each typed}OR (NULLIF(TRIM(CAST(b.{typed.name} AS varchar)), '') IS NOT NULL AND TRY_CAST(NULLIF(TRIM(CAST(b.{typed.name} AS varchar)), '') AS {typed.type}) IS NULL)
    {end}AS is_bad
  FROM {bronze} b
  WHERE b.run = {run}
),
ranked AS (
  SELECT
    {each texts}r.{texts.name}, {end}{each times}r.{times.name}, {end}{each typed}r.{typed.name}, {end}
    ROW_NUMBER() OVER (
      PARTITION BY {each keys ", "}r.{keys.name}{end}
      ORDER BY {each newer}r.{newer.name} DESC NULLS LAST, {end}{each texts}r.{texts.name} DESC NULLS LAST, {end}{each times}r.{times.name} DESC NULLS LAST, {end}{each typed}r.{typed.name} DESC NULLS LAST, {end}1
    ) AS place
  FROM readable r
  WHERE NOT r.is_bad
)
SELECT {each texts}k.{texts.name}, {end}{each times}k.{times.name}, {end}{each typed}k.{typed.name}, {end}CAST({run} AS timestamp(6)) AS dms_received_ts
FROM ranked k
WHERE k.place = 1
