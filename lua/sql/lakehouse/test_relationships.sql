-- Data test: live rows that name no live row of another silver table.
-- @param child qualified_name
-- @param child_column identifier
-- @param parent qualified_name
-- @param parent_column identifier
SELECT COUNT(*) AS failing FROM {child} c
WHERE c.is_deleted IS DISTINCT FROM TRUE
  AND NOT EXISTS (
    SELECT 1 FROM {parent} p
    WHERE p.{parent_column} = c.{child_column} AND p.is_deleted IS DISTINCT FROM TRUE)
