-- Removes a table that was built beside and is not needed any more.
-- @param table qualified_name
DROP TABLE IF EXISTS {table}
