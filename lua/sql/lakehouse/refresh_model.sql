-- Makes a gold table equal to its SELECT in one commit: changed rows are overwritten, new ones added, and rows that
-- the SELECT no longer gives leave. Unchanged rows are not written again.
-- @param target qualified_name
-- @param select checked_select
-- @param keys list(name identifier)
-- @param fields list(name identifier)
-- @param columns list(name identifier)
MERGE INTO {target} t
USING (
  SELECT {each keys}COALESCE(n.{keys.name}, g.{keys.name}) AS {keys.name}, {end}{each fields}n.{fields.name}, {end}
    {each keys " AND "}n.{keys.name} IS NULL{end} AS is_gone
  FROM ({select}) n
  FULL OUTER JOIN {target} g ON {each keys " AND "}n.{keys.name} = g.{keys.name}{end}
) s
ON {each keys " AND "}t.{keys.name} = s.{keys.name}{end}
WHEN MATCHED AND s.is_gone THEN DELETE
WHEN MATCHED AND (FALSE{each fields} OR t.{fields.name} IS DISTINCT FROM s.{fields.name}{end})
  THEN UPDATE SET {each fields ", "}{fields.name} = s.{fields.name}{end}
WHEN NOT MATCHED
  THEN INSERT ({each columns ", "}{columns.name}{end}) VALUES ({each columns ", "}s.{columns.name}{end})
