-- Makes the database of a layer when it is not there.
-- @param name identifier
CREATE SCHEMA IF NOT EXISTS {name}
