-- Data test: rows of this load beside live rows of silver. Too few loaded rows look like a broken load, not like deletions.
-- @param staging qualified_name
-- @param silver qualified_name
SELECT
  (SELECT COUNT(*) FROM {staging}) AS loaded,
  (SELECT COUNT(*) FROM {silver} s WHERE s.is_deleted IS DISTINCT FROM TRUE) AS live
