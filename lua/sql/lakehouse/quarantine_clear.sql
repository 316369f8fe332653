-- Forgets what an earlier attempt of the same run put aside, so that a repeated step does not count it twice.
-- @param quarantine qualified_name
-- @param run date
DELETE FROM {quarantine} WHERE run = {run}
