-- Hashes, encodings and units. Those named trino_... are native functions that the host registers with its engine.

local macros = require("lib.sql.macros")
local registry = require("lib.sql.functions.registry")
local types = require("lib.sql.types")

macros.add {
  -- 1234567 -> 1.23M: three digits that count
  { "short_number(x)", "regexp_replace(regexp_replace(CASE WHEN x < 10 THEN printf('%.2f', x) WHEN x < 100 THEN printf('%.1f', x) "
    .. "ELSE printf('%.0f', x) END, '(\\.[0-9]*?)0+$', '\\1'), '\\.$', '')" },
  { "format_number(x)", "CASE WHEN x < 0 THEN '-' ELSE '' END || CASE WHEN abs(x) >= 1e15 THEN trino.short_number(abs(x) / 1e15) || 'Q' "
    .. "WHEN abs(x) >= 1e12 THEN trino.short_number(abs(x) / 1e12) || 'T' WHEN abs(x) >= 1e9 THEN trino.short_number(abs(x) / 1e9) || 'B' "
    .. "WHEN abs(x) >= 1e6 THEN trino.short_number(abs(x) / 1e6) || 'M' WHEN abs(x) >= 1e3 THEN trino.short_number(abs(x) / 1e3) || 'K' "
    .. "ELSE trino.short_number(abs(x)) END" },
  { "unit_of(s)", "regexp_extract(s, '([A-Za-z]+)\\s*$', 1)" },
  { "amount_of(s)", "regexp_extract(s, '^\\s*([0-9]+(\\.[0-9]+)?)', 1)" },
  { "parse_duration(s)", "to_milliseconds(CAST(round(CAST(trino.amount_of(s) AS DOUBLE) * CASE trino.unit_of(s) WHEN 'ns' THEN 1e-6 "
    .. "WHEN 'us' "
    .. "THEN 1e-3 WHEN 'ms' THEN 1 WHEN 's' THEN 1000 WHEN 'm' THEN 60000 WHEN 'h' THEN 3600000 WHEN 'd' THEN 86400000 "
    .. "ELSE error('duration is not a valid data duration string: ' || s) END) AS BIGINT))" },
  { "parse_data_size(s)", "CAST(trunc(CAST(trino.amount_of(s) AS DECIMAL(38,10)) * CASE trino.unit_of(s) WHEN 'B' THEN 1::HUGEINT "
    .. "WHEN 'kB' "
    .. "THEN 1024::HUGEINT WHEN 'MB' THEN 1048576::HUGEINT WHEN 'GB' THEN 1073741824::HUGEINT WHEN 'TB' THEN 1099511627776::HUGEINT "
    .. "WHEN 'PB' THEN 1125899906842624::HUGEINT WHEN 'EB' THEN 1152921504606846976::HUGEINT "
    .. "ELSE error('Invalid data size: ''' || s || '''') END) AS DECIMAL(38,0))" },
}

local function natives(list)
  for _, e in ipairs(list) do registry.scalars { { e[1], e[2], e[3], ("trino_%s($*)"):format(e[1]) } } end
end

natives {
  { "crc32", "B", "bigint" }, { "xxhash64", "B", "varbinary" }, { "sha512", "B", "varbinary" },
  { "hmac_md5", "BB", "varbinary" }, { "hmac_sha1", "BB", "varbinary" }, { "hmac_sha256", "BB", "varbinary" }, { "hmac_sha512", "BB",
    "varbinary" },
  { "to_base32", "B", "varchar" }, { "from_base32", "s", "varbinary" },
  { "from_big_endian_64", "B", "bigint" }, { "from_big_endian_32", "B", "integer" },
  { "to_ieee754_64", "n", "varbinary" }, { "to_ieee754_32", "n", "varbinary" },
  { "from_ieee754_64", "B", "double" }, { "from_ieee754_32", "B", "real" },
}

registry.scalars {
  { "format_number", "n", "varchar", "trino.format_number(CAST($1 AS DOUBLE))" },
  { "parse_duration", "s", function() return types.interval_day end, "trino.parse_duration($1)" },
  { "parse_data_size", "s", "decimal(38,0)", "trino.parse_data_size($1)" },
}
registry.alias("scalar", { parse_presto_data_size = "parse_data_size" })
