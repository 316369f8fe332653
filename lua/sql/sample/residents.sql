-- Residents of the sample, for the embedded engine: one row each, some with the dirt of real sources; an older version
-- of every 50th; a few without a key. Every number comes from a hash of row, purpose and seed.
-- @param residents integer
-- @param seed integer
WITH names AS (
  SELECT
    ['Ada', 'Grace', 'Zoë', 'José', 'Łukasz', 'Søren', 'Mei', 'Fatima', 'Olga', 'Kwame',
     'Anna', '李', 'Noor', 'Björn', 'Íris', 'Max', 'Ruth', 'Tomás', 'Yuki', 'Amélie'] AS first_names,
    ['Lovelace', 'Hopper', 'O''Brien', 'García', 'Nowak', 'Ng', 'Müller', 'Haddad', 'Ivanova', 'Mensah',
     'Smith', '王', 'van der Berg', 'Åkesson', 'Jónsdóttir', '"Quote"', 'Okafor', 'Silva', 'Tanaka', 'Dubois'] AS last_names
),
clean AS (
  SELECT
    i,
    first_names[1 + CAST(hash(i, 1, {seed}) % 20 AS BIGINT)] AS first_name,
    last_names[1 + CAST(hash(i, 2, {seed}) % 20 AS BIGINT)] AS last_name,
    CAST(DATE '1930-01-01' + CAST(hash(i, 3, {seed}) % 31000 AS INTEGER) AS VARCHAR) AS dob,
    strftime(TIMESTAMP '2025-07-01 00:00:00' + to_seconds(CAST(hash(i, 4, {seed}) % 2000000 AS BIGINT)), '%Y-%m-%d %H:%M:%S') AS updated_at
  FROM range(1, {residents} + 1) t(i), names
)
SELECT
  CAST(i AS VARCHAR) AS resident_id,
  CASE WHEN i % 89 = 0 THEN NULL WHEN i % 17 = 0 THEN '  ' || first_name || ' ' ELSE first_name END AS first_name,
  CASE WHEN i % 97 = 0 THEN NULL WHEN i % 23 = 0 THEN last_name || '  ' ELSE last_name END AS last_name,
  CASE WHEN i % 211 = 0 THEN '1987-02-30' WHEN i % 223 = 0 THEN 'unknown' WHEN i % 61 = 0 THEN NULL ELSE dob END AS dob,
  CASE WHEN i % 401 = 0 THEN NULL ELSE updated_at END AS updated_at
FROM clean
UNION ALL
SELECT CAST(i AS VARCHAR), first_name, 'Formerly', dob, '2025-06-30 12:00:00' FROM clean WHERE i % 50 = 0
UNION ALL
SELECT CASE WHEN i % 2 = 0 THEN '  ' END, first_name, last_name, dob, updated_at FROM clean WHERE i % 701 = 0
