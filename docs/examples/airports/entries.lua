-- Two entries for the lists of lua/domain/lakehouse/pipeline.lua: written before its last line, `return M`.
-- The source is airports.csv of the package airportsdata: 28,298 airports, landing strips and heliports of the world.

table.insert(M.sources, {
  name = "airport",
  bronze = "airports", staging = "airport_latest", silver = "airport",
  key = { "icao" },
  columns = {
    { "icao", "varchar(4)" }, { "iata", "varchar(3)" }, { "name", "varchar" }, { "city", "varchar" }, { "subd", "varchar" },
    { "country", "varchar(2)" }, { "elevation", "double" }, { "lat", "double" }, { "lon", "double" }, { "tz", "varchar" },
  },
  -- no `newer_by`: the data set has no time stamp, so whatever differs from silver is new
  soft_delete = true,
  tests = {
    staging = { { "row_delta", min_ratio = 0.9 }, { "not_null", column = "country" } },
    silver = { { "unique", columns = { "icao" } }, { "not_null", column = "city", severity = "warn" } },
  },
})

table.insert(M.models, {
  name = "airports_by_country", sql = "gold_airports_by_country", key = { "country" }, after = { "airport" },
  columns = {
    { "country", "varchar" }, { "airports", "bigint" }, { "with_iata_code", "bigint" }, { "highest_feet", "double" },
    { "highest_airport", "varchar" },
  },
  tests = { { "unique", columns = { "country" } }, { "not_null", column = "airports" } },
})
