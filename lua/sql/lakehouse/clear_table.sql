-- Empties a table before it is filled again: staging holds one load only.
-- @param table qualified_name
DELETE FROM {table}
