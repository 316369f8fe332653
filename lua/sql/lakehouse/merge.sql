-- Brings staging into silver: newer rows overwrite, new keys are added, and a key seen again is live again even when
-- nothing else changed. A row without a time stamp gives way to one that differs.
-- @param silver qualified_name
-- @param staging qualified_name
-- @param keys list(name identifier)
-- @param newer list(name identifier)
-- @param fields list(name identifier)
-- @param columns list(name identifier)
MERGE INTO {silver} t
USING {staging} s
ON {each keys " AND "}t.{keys.name} = s.{keys.name}{end}
WHEN MATCHED AND (
    t.is_deleted IS DISTINCT FROM FALSE
    {each newer}OR s.{newer.name} > t.{newer.name}
    OR (t.{newer.name} IS NULL AND (s.{newer.name} IS NOT NULL
    {end}{each fields}OR t.{fields.name} IS DISTINCT FROM s.{fields.name}
    {end}{each newer})){end})
  THEN UPDATE SET {each fields}{fields.name} = s.{fields.name}, {end}dms_received_ts = s.dms_received_ts, is_deleted = FALSE
WHEN NOT MATCHED
  THEN INSERT ({each columns}{columns.name}, {end}dms_received_ts, is_deleted)
  VALUES ({each columns}s.{columns.name}, {end}s.dms_received_ts, FALSE)
