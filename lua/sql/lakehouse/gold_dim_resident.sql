-- One row per live resident, with the name in one piece and the age in whole years on the day of the refresh.
-- @param today date
SELECT
  r.resident_id,
  r.first_name,
  r.last_name,
  NULLIF(TRIM(COALESCE(r.first_name, '') || ' ' || COALESCE(r.last_name, '')), '') AS full_name,
  r.dob,
  CAST(DATE_DIFF('year', r.dob, {today}) AS integer) AS age_years,
  r.dms_received_ts AS effective_ts
FROM silver.src_sqlserver__dbo_resident r
WHERE r.is_deleted IS DISTINCT FROM TRUE
