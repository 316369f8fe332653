-- Lets go of a table's versions that have outlived their time, and of files that no version needs.
-- @param table qualified_name
VACUUM {table}
