-- Visits of the sample, for the embedded engine: one row each, some unreadable, some of residents that do not exist; an
-- older version of every 40th; a few without a key. Every number comes from a hash of row, purpose and seed.
-- @param residents integer
-- @param visits integer
-- @param seed integer
WITH clean AS (
  SELECT
    i,
    CAST(CASE WHEN i % 101 = 0 THEN {residents} + 1 + i % 7 ELSE 1 + CAST(hash(i, 11, {seed}) % {residents} AS BIGINT) END AS VARCHAR) AS resident_id,
    strftime(TIMESTAMP '2023-08-01 08:00:00' + to_seconds(CAST(hash(i, 12, {seed}) % 63000000 AS BIGINT)), '%Y-%m-%d %H:%M:%S') AS visit_ts,
    ['checkup', 'fever', 'vaccination', 'fall', 'headache', 'follow-up, late', '"urgent"', 'x-ray', 'Blutdruck', 'suivi médical']
      [1 + CAST(hash(i, 13, {seed}) % 10 AS BIGINT)] AS reason,
    CAST(500 + hash(i, 14, {seed}) % 95000 AS VARCHAR) AS charge_cents,
    strftime(TIMESTAMP '2025-07-01 00:00:00' + to_seconds(CAST(hash(i, 15, {seed}) % 2000000 AS BIGINT)), '%Y-%m-%d %H:%M:%S') AS updated_at
  FROM range(1, {visits} + 1) t(i)
)
SELECT
  CAST(i AS VARCHAR) AS visit_id,
  resident_id,
  CASE WHEN i % 251 = 0 THEN '2024-13-45 10:00:00' WHEN i % 37 = 0 THEN replace(visit_ts, ' ', 'T') ELSE visit_ts END AS visit_ts,
  reason,
  CASE WHEN i % 307 = 0 THEN '12,50' WHEN i % 311 = 0 THEN 'n/a' WHEN i % 131 = 0 THEN NULL
    WHEN i % 41 = 0 THEN ' ' || charge_cents || ' ' ELSE charge_cents END AS charge_cents,
  updated_at
FROM clean
UNION ALL
SELECT CAST(i AS VARCHAR), resident_id, visit_ts, reason, '1', '2025-06-30 12:00:00' FROM clean WHERE i % 40 = 0
UNION ALL
SELECT NULL, '1', visit_ts, reason, charge_cents, updated_at FROM clean WHERE i % 503 = 0
