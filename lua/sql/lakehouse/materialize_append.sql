-- Adds the rows of a query to a table.
-- @param target qualified_name
-- @param select checked_select
INSERT INTO {target} {select}
