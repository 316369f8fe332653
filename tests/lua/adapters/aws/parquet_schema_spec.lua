-- Columns from the footer of a Parquet file, as the embedded engine writes them and as the file lies on S3.
local aws = require "aws_fixture"
local files = require "sm.files"
local fixture = require "lake_fixture"
local parquet_schema = require "adapters.aws.parquet_schema"

if not fixture.has_engine() or not aws.has "moto" then
  describe("columns of Parquet files", function() pending "libduckdb.so or moto is not there" end)
  return
end

describe("columns of Parquet files", function()
  local f, api, bucket
  setup(function()
    f, api = fixture.open(), aws.api()
    bucket = aws.bucket(api)
  end)
  teardown(function() f.close() end)

  local function put(key, select)
    local path = f.lake.root .. "/x.parquet"
    local con <close> = assert(f.lake.engine:connect())
    assert(con:exec(("COPY (%s) TO '%s' (FORMAT parquet)"):format(select, path)))
    assert(api:call("s3", "put_object", { Bucket = bucket, Key = key, Body = assert(files.read(path)) }))
  end

  local function columns(folder)
    local found, err = parquet_schema.of_folder(api, ("s3://%s/%s/"):format(bucket, folder))
    local out = {}
    for i, column in ipairs(found or {}) do out[i] = column.name .. " " .. column.type end
    return found and out, err
  end

  it("have the types that the file has", function()
    put("all/a.parquet", [[SELECT 1::TINYINT AS t, 1::SMALLINT AS s, 1::INTEGER AS "Id", 1::BIGINT AS b, 1.5::FLOAT AS f, 1.5::DOUBLE AS d,
      true AS flag, 'x' AS text, DATE '2025-01-01' AS day, TIMESTAMP '2025-01-01 10:00:00' AS at, 1.25::DECIMAL(9,2) AS small,
      1.25::DECIMAL(18,4) AS money, 1.25::DECIMAL(38,10) AS large]])
    assert.same({ "t tinyint", "s smallint", "id int", "b bigint", "f float", "d double", "flag boolean", "text string", "day date", "at timestamp",
      "small decimal(9,2)", "money decimal(18,4)", "large decimal(38,10)" }, assert(columns "all"))
  end)

  it("are read in a second go when the footer is long", function()
    local names = {}
    for i = 1, 3000 do names[i] = ("%d AS a_rather_long_name_of_a_column_%d"):format(i, i) end
    put("wide/a.parquet", "SELECT " .. table.concat(names, ", "))
    assert.equal(3000, #assert(columns "wide"))
  end)

  it("are nobody's guess when there is no file, or a nested one", function()
    assert.is_nil((columns "none"))
    put("nested/a.parquet", "SELECT [1, 2] AS list")
    assert.same({}, { columns "nested" })
  end)

  it("tell a file that is none", function()
    assert(api:call("s3", "put_object", { Bucket = bucket, Key = "bad/a.parquet", Body = "PAR1 nonsense" }))
    assert.matches("is no Parquet file", select(2, columns "bad").message)
    for _, text in ipairs { "", "\x15", "\x29\xfc\xff\xff\xff\x0f", ("\x19"):rep(50), "\x00" } do
      assert.is_true(pcall(parquet_schema.columns, text))
    end
  end)
end)
