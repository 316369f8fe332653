-- One row per live visit of a live resident; the charge in dollars beside the cents. Visits of nobody stay out.
SELECT
  v.visit_id,
  v.resident_id,
  CAST(v.visit_ts AS date) AS visit_date,
  v.visit_ts,
  v.reason,
  v.charge_cents,
  CAST(CAST(v.charge_cents AS decimal(12,2)) * DECIMAL '0.01' AS decimal(12,2)) AS charge_usd
FROM silver.src_sqlserver__dbo_visit v
JOIN silver.src_sqlserver__dbo_resident r ON r.resident_id = v.resident_id
WHERE v.is_deleted IS DISTINCT FROM TRUE
  AND r.is_deleted IS DISTINCT FROM TRUE
