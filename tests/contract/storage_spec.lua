-- Port storage: what every adapter must do. A new adapter adds one line at the end.
-- `new` gives the port, its clock, put(layer, table, run, file): a file in the lake, and is_address(url).
-- Addresses that the service itself serves have rules of their own: `serves`.
local function contract(name, new, serves)
  describe("storage (" .. name .. ")", function()
    local storage, clock, put, is_address
    before_each(function() storage, clock, put, is_address = new() end)

    local function list(changes)
      local request = { layer = "gold", run = "2025-08-13", max_dirs = 25, max_files = 50, ttl_seconds = 900 }
      for field, value in pairs(changes or {}) do request[field] = value end
      return assert(storage.list(request))
    end

    local function parts(url) return url:match("/files/([^?]+)%?expires=(%d+)&signature=([%w_-]+)$") end

    it("lists an empty layer", function()
      local layer = list()
      assert.same({ 0, 0, false }, { layer.dir_count, #layer.dirs, layer.truncated })
      assert.matches("gold/$", layer.prefix)
    end)

    it("lists tables with their files, size, time and address", function()
      put("gold", "fact_visit", "2025-08-13", "a.parquet")
      local layer = list()
      assert.equal(1, layer.dir_count)
      assert.equal("fact_visit/", layer.dirs[1].name)
      assert.equal(1, layer.dirs[1].file_count)
      local file = layer.dirs[1].files[1]
      assert.matches("fact_visit", file.key)
      assert.is_true(file.size > 0)
      assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$", file.last_modified)
      assert.is_true(is_address(file.url))
      assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ$", layer.expires_at)
    end)

    it("lists of bronze the partition of the run only", function()
      put("bronze", "dbo_visit", "2025-08-13", "a.parquet")
      put("bronze", "dbo_visit", "2025-08-14", "b.parquet")
      local layer = list { layer = "bronze" }
      assert.equal(1, layer.dir_count)
      assert.equal("dbo_visit/run=2025-08-13/", layer.dirs[1].name)
      assert.equal(1, layer.dirs[1].file_count)
    end)

    it("is truncated only when there is more", function()
      for i = 1, 3 do put("bronze", "t", "2025-08-13", i .. ".parquet") end
      local exact = list { layer = "bronze", max_files = 3 }
      assert.same({ 3, false }, { exact.dirs[1].file_count, exact.dirs[1].truncated })
      local cut = list { layer = "bronze", max_files = 2 }
      assert.same({ 2, true }, { cut.dirs[1].file_count, cut.dirs[1].truncated })
      put("bronze", "u", "2025-08-13", "1.parquet")
      assert.is_false(list({ layer = "bronze", max_dirs = 2 }).truncated)
      local few = list { layer = "bronze", max_dirs = 1 }
      assert.same({ 1, true }, { few.dir_count, few.truncated })
    end)

    it("takes Parquet files of any spelling and nothing else", function()
      put("bronze", "t", "2025-08-13", "a.PARQUET")
      put("bronze", "t", "2025-08-13", "a.csv")
      assert.equal(1, list({ layer = "bronze" }).dirs[1].file_count)
    end)

    it("reads nothing for max_dirs 0 and says that there may be more", function()
      put("gold", "fact_visit", "2025-08-13", "a.parquet")
      local layer = list { max_dirs = 0 }
      assert.same({ 0, true }, { layer.dir_count, layer.truncated })
    end)

    if not serves then return end
    describe("signed addresses", function()
      local path, expires, signature
      before_each(function()
        put("bronze", "t", "2025-08-13", "a b+é.parquet")
        path, expires, signature = parts(list({ layer = "bronze" }).dirs[1].files[1].url)
        path = path:gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end)
      end)

      it("open the file", function()
        local found = assert(storage.open_signed(path, { expires = expires, signature = signature }))
        assert.matches("a b%+é%.parquet$", found.path)
        assert.is_true(found.size > 0)
      end)

      it("are refused after their end", function()
        clock.at = clock.at + 901
        assert.equal("Forbidden", select(2, storage.open_signed(path, { expires = expires, signature = signature })).code)
      end)

      it("are refused when altered in any part", function()
        local later = tostring(tonumber(expires) + 1000)
        local other = signature:sub(1, -2) .. (signature:sub(-1) == "A" and "B" or "A")
        for _, try in ipairs { { path, later, signature }, { path, expires, other }, { path .. "x", expires,
            signature }, { path, expires, "" },
          { path, expires }, { path }, { path, "abc", signature }, { path, expires, signature .. "A" } } do
          assert.equal("Forbidden", select(2, storage.open_signed(try[1], { expires = try[2], signature = try[3] })).code)
        end
        assert.equal("Forbidden", select(2, storage.open_signed(path, nil)).code)
      end)

      it("are not made and not opened for paths outside of the lake", function()
        for _, bad in ipairs { "../state.sqlite", "gold/../../state.sqlite", "/etc/passwd", "gold//x", "gold/./x",
            "", "a\0b", "a\\..\\b", "gold/.." } do
          assert.equal("BadParam", select(2, storage.sign(bad, 900)).code)
          assert.equal("Forbidden", select(2, storage.open_signed(bad, { expires = expires, signature = signature })).code)
        end
      end)

      it("say when the file is gone", function()
        local gone = storage.sign("gold/none.parquet", 900)
        local p, e, s = parts(gone)
        assert.equal("NotFound", select(2, storage.open_signed(p, { expires = e, signature = s })).code)
      end)
    end)
  end)
end

local folder
describe("storage", function()
  teardown(function() if folder then require("sm.files").remove_tree(folder) end end)
  contract("local", function()
    local files = require "sm.files"
    folder = folder or assert(files.temp_dir())
    local root = assert(files.realpath(folder)) .. "/" .. require("sm.crypto").uuid()
    assert(files.mkdir(root))
    local fakes = require "fakes"
    local clock, known = fakes.clock(), {}
    local catalog = fakes.catalog {
      tables = function(layer)
        local items = {}
        for table_name in pairs(known[layer] or {}) do items[#items + 1] = { name = table_name } end
        table.sort(items, function(a, b) return a.name < b.name end)
        return { items = items }
      end,
      files = function(layer, table_name) return known[layer][table_name] end,
    }
    local db = require("spec_state")()
    local storage = require("adapters.local.storage").new { root = root, catalog = catalog, state = db,
        clock = clock, base_url = function() return "http://x" end }
    local function put(layer, table_name, run, file)
      local dir = layer == "bronze" and ("%s/bronze/%s/run=%s"):format(root, table_name, run)
          or ("%s/%s/%s/data"):format(root, layer, table_name)
      assert(files.mkdir(dir))
      assert(files.write(dir .. "/" .. file, "PAR1 x"))
      known[layer] = known[layer] or {}
      known[layer][table_name] = known[layer][table_name] or {}
      table.insert(known[layer][table_name], { path = dir .. "/" .. file, bytes = 6, modified_at = fakes.NOW })
    end
    return storage, clock, put, function(url) return url:find("/files/[^?]+%?expires=%d+&signature=[%w_-]+$") ~= nil end
  end, true)
end)

local aws = require "aws_fixture"

if not aws.has "moto" then
  describe("storage (aws)", function() pending "moto is not installed" end)
  return
end

local function aws_storage(api, bucket, more)
  local clock = require("fakes").clock()
  local options = { api = api, clock = clock, presign = require("adapters.aws.presign").new(api), prefixes = {
    bronze = ("s3://%s/bronze/"):format(bucket), silver = "", gold = ("s3://%s/gold/"):format(bucket) } }
  for name, value in pairs(more or {}) do options[name] = value end
  return require("adapters.aws.storage").new(options), clock
end

local function put_object(api, bucket, key) assert(api:call("s3", "put_object", { Bucket = bucket, Key = key, Body = "PAR1 x" })) end

local api
contract("aws", function()
  api = api or aws.api()
  local bucket = aws.bucket(api)
  local storage, clock = aws_storage(api, bucket)
  local function put(layer, table_name, run, file)
    put_object(api, bucket, layer == "bronze" and ("bronze/%s/run=%s/%s"):format(table_name, run, file)
      or ("%s/%s/data/%s"):format(layer, table_name, file))
  end
  return storage, clock, put, function(url) return require("sm.http").request({ url = url }).body == "PAR1 x" end
end)

describe("storage (aws) also", function()
  local bucket
  local function list(storage, changes)
    local request = { layer = "gold", run = "2025-08-13", max_dirs = 25, max_files = 50, ttl_seconds = 900 }
    for field, value in pairs(changes or {}) do request[field] = value end
    return storage.list(request)
  end
  before_each(function()
    api = api or aws.api()
    bucket = aws.bucket(api)
  end)

  it("says nothing of a layer that is not configured", function()
    local layer = assert(list(aws_storage(api, bucket), { layer = "silver" }))
    assert.same({ 0, false, require("lib.json").null }, { layer.dir_count, layer.truncated, layer.prefix })
  end)

  it("puts the run into the prefix, and shows a layer without folders as one", function()
    put_object(api, bucket, "raw/2025-08-13/a.parquet")
    put_object(api, bucket, "raw/2025-08-14/b.parquet")
    local storage = aws_storage(api, bucket, { prefixes = { bronze = ("s3://%s/raw/{run}"):format(bucket) } })
    local layer = assert(list(storage, { layer = "bronze" }))
    assert.equal(("s3://%s/raw/2025-08-13"):format(bucket), layer.prefix)
    assert.same({ 1, "2025-08-13/", 1 }, { layer.dir_count, layer.dirs[1].name, layer.dirs[1].file_count })
    assert.equal(0, list(storage, { layer = "bronze", run = "2025-08-15" }).dir_count)
  end)

  it("follows the pages of a listing", function()
    local pages = {}
    local paged = { client = function(_, ...) return api:client(...) end, call = function(_, service, operation, params)
      if operation == "list_objects_v2" then
        params.MaxKeys = 2
        pages[#pages + 1] = params.ContinuationToken or "first"
      end
      return api:call(service, operation, params)
    end }
    for i = 1, 5 do put_object(api, bucket, ("gold/t/data/%d.parquet"):format(i)) end
    local layer = assert(list(aws_storage(paged, bucket)))
    assert.equal(5, layer.dirs[1].file_count)
    assert.is_true(#pages > 3)
  end)

  it("says when addresses end, and that is no later than the keys that sign them", function()
    put_object(api, bucket, "gold/t/data/a.parquet")
    local now = require("sm.time").now()
    local free = assert(list(aws_storage(api, bucket)))
    local iso = require("sm.time").iso
    assert.is_true(free.expires_at >= iso(now + 899) and free.expires_at <= iso(now + 930))
    local session = require("adapters.aws.api").new { default = aws.options(require("aws_services").url "moto", { credentials = {
      get = function() return { access_key = "A", secret_key = "B", session_token = "C", expires_at = now + 60, source = "spec" } end } }) }
    local layer = assert(list(aws_storage(session, bucket)))
    assert.equal(iso(math.floor(now + 60)), layer.expires_at)
    local seconds = tonumber(layer.dirs[1].files[1].url:match("X%-Amz%-Expires=(%d+)"))
    assert.is_true(seconds > 50 and seconds <= 60, seconds)
    assert.matches("X%-Amz%-Security%-Token=C", layer.dirs[1].files[1].url)
  end)

  it("refuses a prefix that is none, and tells of a bucket that is not there", function()
    assert.equal("BadS3Uri", select(2, list(aws_storage(api, bucket, { prefixes = { gold = "gold/" } }))).code)
    local _, err = list(aws_storage(api, bucket, { prefixes = { gold = "s3://no-such-bucket-here/gold/" } }))
    assert.equal("NotFound", err.code)
  end)

  it("signs the addresses of the largest listing in one go", function()
    local sign = assert(require("adapters.aws.presign").new(api)(bucket, 900))
    local seen = {}
    for i = 1, 3750 do seen[sign(("gold/fact_visit/data/part-%05d.parquet"):format(i))] = true end
    local count = 0
    for _ in pairs(seen) do count = count + 1 end
    assert.equal(3750, count)
  end)
end)
