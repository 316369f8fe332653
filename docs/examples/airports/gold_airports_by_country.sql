-- One row per country: how many airports, how many with an IATA code, and the highest of them.
SELECT
  a.country,
  COUNT(*) AS airports,
  COUNT_IF(a.iata <> '') AS with_iata_code,
  MAX(a.elevation) AS highest_feet,
  MAX_BY(a.name, a.elevation) AS highest_airport
FROM silver.airport a
WHERE a.is_deleted IS DISTINCT FROM TRUE
GROUP BY a.country
