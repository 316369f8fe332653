-- Port storage on S3: what the layers hold, with addresses from which anybody may fetch a file until they expire.
--
-- The folders of a layer are listed side by side; the addresses of one listing are signed with the same keys and in one go.
-- An address dies with the credentials that signed it, so `ttl_seconds` of a layer is the time that is really left.
local errors = require "lib.errors"
local failures = require "adapters.aws.failures"
local json = require "lib.json"
local s3_uri = require "adapters.aws.s3_uri"
local task = require "sm.task"

local M = {}

local FOLDERS_AT_A_TIME <const> = 12
local PAGE_KEYS <const> = 1000
local MOST_PAGES <const> = 50 -- of one folder: 50,000 keys

local function is_parquet(key) return key:lower():sub(-8) == ".parquet" end

-- Pages of a listing until visit(output) gives true; tells whether more was to come.
local function each_page(api, params, visit)
  for _ = 1, MOST_PAGES do
    local output, failure = api:call("s3", "list_objects_v2", params)
    if not output then return nil, failures.error(failure, "list " .. s3_uri.join(params.Bucket, params.Prefix or "")) end
    if visit(output) then return true end
    if not output.IsTruncated or not output.NextContinuationToken then return true end
    params.ContinuationToken = output.NextContinuationToken
  end
  return true
end

-- The child folders of a prefix, one more than asked for at most.
local function child_prefixes(api, bucket, prefix, most)
  local list = {}
  local ok, err = each_page(api, { Bucket = bucket, Prefix = prefix, Delimiter = "/", MaxKeys = PAGE_KEYS }, function(output)
    for _, one in ipairs(output.CommonPrefixes or {}) do
      list[#list + 1] = one.Prefix
      if #list > most then return true end
    end
  end)
  return ok and list, err
end

-- The Parquet files below a prefix, one more than asked for at most.
local function parquet_files(api, bucket, prefix, most)
  local list = {}
  local ok, err = each_page(api, { Bucket = bucket, Prefix = prefix, MaxKeys = PAGE_KEYS }, function(output)
    for _, object in ipairs(output.Contents or {}) do
      if is_parquet(object.Key) then
        list[#list + 1] = object
        if #list > most then return true end
      end
    end
  end)
  return ok and list, err
end

-- Of a table in bronze the folder of the run's day is meant, when it has one for each day.
local function of_run(api, bucket, folder, request)
  local children, err = child_prefixes(api, bucket, folder, PAGE_KEYS)
  if not children then return nil, err end
  for _, child in ipairs(children) do
    if child:find("/run=[^/]*/$") then return { prefix = folder .. "run=" .. request.run .. "/", is_day = true } end
  end
  return { prefix = folder }
end

local function places(api, bucket, folders, request)
  local calls = {}
  for i, folder in ipairs(folders) do
    calls[i] = function()
      if request.layer ~= "bronze" then return { prefix = folder } end
      return of_run(api, bucket, folder, request)
    end
  end
  return task.parallel(calls, { limit = FOLDERS_AT_A_TIME })
end

---@class aws.StorageOptions
---@field api table
---@field clock table
---@field prefixes table<string, string?>   layer -> template, s3://bucket/prefix/{run}/
---@field presign table                     adapters.aws.presign

---@param options aws.StorageOptions
---@return table storage  port storage
function M.new(options)
  local api, clock = options.api, options.clock
  local storage = {}

  local function dir_entry(bucket, base, prefix, objects, request, sign)
    local shown = {}
    for i = 1, math.min(#objects, request.max_files) do
      local object = objects[i]
      shown[i] = { key = object.Key, size = object.Size, last_modified = clock.iso(object.LastModified), url = sign(object.Key) }
    end
    local name = prefix:sub(1, #base) == base and prefix:sub(#base + 1) or prefix
    if name == "" then name = (prefix:match("([^/]+/)$") or "/") end
    return { name = name, prefix = s3_uri.join(bucket, prefix), file_count = #shown, truncated = #objects > #shown,
      files = json.list(shown) }
  end

  local function list_places(bucket, base, found, request, sign)
    local calls = {}
    for i = 1, found.n do
      calls[i] = function()
        local place = found[i]
        local objects, err = parquet_files(api, bucket, place.prefix, request.max_files)
        if not objects then return nil, err end
        -- A day that was never loaded is no folder; nor is a layer of files that has none.
        if #objects == 0 and (place.is_day or place.is_flat) then return false end
        return dir_entry(bucket, base, place.prefix, objects, request, sign)
      end
    end
    local results, err = task.parallel(calls, { limit = FOLDERS_AT_A_TIME })
    if not results then return nil, err end
    local dirs = {}
    for i = 1, found.n do
      if results[i] then dirs[#dirs + 1] = results[i] end
    end
    return dirs
  end

  local function read_layer(bucket, base, request, sign)
    local folders, err = child_prefixes(api, bucket, base, request.max_dirs)
    if not folders then return nil, err end
    local truncated = #folders > request.max_dirs
    folders[request.max_dirs + 1] = nil
    local found = { n = 1, { prefix = base, is_flat = true } }
    if #folders > 0 then found, err = places(api, bucket, folders, request) end
    if not found then return nil, err end
    local dirs
    dirs, err = list_places(bucket, base, found, request, sign)
    if not dirs then return nil, err end
    return dirs, truncated
  end

  function storage.list(request)
    local template = options.prefixes[request.layer]
    if not template or template == "" then return { dir_count = 0, dirs = json.list {}, truncated = false, prefix = json.null } end
    local prefix = s3_uri.expand(template, request.run)
    local bucket, base = s3_uri.split(prefix, true)
    if not bucket then return nil, base end
    if request.max_dirs == 0 then return { prefix = prefix, dir_count = 0, dirs = json.list {}, truncated = true } end
    local sign, till = options.presign(bucket, request.ttl_seconds)
    if not sign then return nil, till end
    local dirs, truncated = read_layer(bucket, base, request, sign)
    if not dirs then return nil, truncated end
    return { prefix = prefix, dir_count = #dirs, dirs = json.list(dirs), truncated = truncated, expires_at = clock.iso(till) }
  end

  --- An address for one file, s3://bucket/key.
  function storage.sign(path, ttl_seconds)
    local bucket, key = s3_uri.split(path)
    if not bucket or key == "" then return nil, errors.new("BadParam", "this is no file of the lake") end
    local sign, err = options.presign(bucket, ttl_seconds)
    if not sign then return nil, err end
    return sign(key)
  end

  -- Files are fetched from S3 itself; nothing is served here.
  function storage.open_signed()
    return nil, errors.new("Forbidden", "files are fetched from the addresses that listings give")
  end

  return storage
end

return M
