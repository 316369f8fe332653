-- Files of the lake: what each layer holds, and addresses under which single files can be fetched for a while.
-- Bronze lists the partitions of one run; every other layer lists the files of each table's current snapshot, so what a
-- refresh has superseded is not shown. An address is signed over path and end of life; the key is made once per data folder.
local errors = require "lib.errors"
local files = require "sm.files"
local crypto = require "sm.crypto"
local json = require "lib.json"
local state = require "adapters.local.state"

local M = {}

local KEY_BYTES <const> = 32
local MAX_PATH <const> = 4096

local function escape(path)
  return (path:gsub("[^%w%-._~/=]", function(c) return ("%%%02X"):format(c:byte()) end))
end

-- A path below the lake: no way up, no empty parts, no control characters.
local function is_inner(path)
  if type(path) ~= "string" or path == "" or #path > MAX_PATH or path:find("%c") or path:find("\\", 1, true) then return false end
  for part in (path .. "/"):gmatch("([^/]*)/") do
    if part == "" or part == "." or part == ".." then return false end
  end
  return true
end

local function is_parquet(path) return path:lower():sub(-8) == ".parquet" end

-- Files of one bronze partition; a partition that is not there has none.
local function walk_parquet(root, folder)
  local found, message, code = files.walk(root .. "/" .. folder)
  if not found then
    if code == "not_found" then return nil end
    return nil, errors.from(message, code, "list " .. folder)
  end
  local list = {}
  for _, file in ipairs(found) do
    if is_parquet(file.name) then list[#list + 1] = { key = folder .. file.name, size = file.size, at = file.mtime } end
  end
  return list
end

---@class StorageOptions
---@field root string        the folder of the lake, without links
---@field catalog table     port catalog; files(db, name) of the local one
---@field state table       state.sqlite
---@field clock table
---@field base_url fun(): string?

---@param options StorageOptions
---@return table storage    port storage
function M.new(options)
  local storage = {}
  local clock, catalog = options.clock, options.catalog
  local root = options.root

  local function key()
    return state.secret(options.state, "url-key", function() return crypto.hex(crypto.random(KEY_BYTES)) end)
  end

  local function signature(secret, path, expires)
    return crypto.base64url(crypto.hmac_sha256(secret, path .. "\n" .. expires))
  end

  function storage.sign(path, ttl_seconds, base_url)
    if not is_inner(path) then return nil, errors.new("BadParam", "this is no path of the lake") end
    local secret, err = key()
    if not secret then return nil, err end
    local expires = tostring(math.floor(clock.now() + ttl_seconds))
    return ("%s/files/%s?expires=%s&signature=%s"):format(base_url or options.base_url() or "", escape(path),
        expires, signature(secret, path, expires))
  end

  function storage.open_signed(path, query)
    local refused = errors.new("Forbidden", "the address is not signed by this service, was altered, or has expired")
    local expires, given = query and query.expires, query and query.signature
    if not is_inner(path) or type(given) ~= "string" or type(expires) ~= "string" or not expires:find("^%d+$") or #expires > 12 then
      return nil, refused
    end
    local secret, err = key()
    if not secret then return nil, err end
    if not crypto.equal(signature(secret, path, expires), given) or tonumber(expires) < clock.now() then return nil, refused end
    local real = files.realpath(root .. "/" .. path)
    local stat = real and files.stat(real)
    if not stat or stat.type ~= "file" then
      return nil, errors.new("NotFound", "this file is not part of the lake any more: ask for the layers again")
    end
    if real:sub(1, #root + 1) ~= root .. "/" then return nil, refused end
    local etag = ('"%x-%x"'):format(stat.size, math.floor(stat.mtime * 1000))
    return { path = real, size = stat.size, name = path:match("[^/]+$"), etag = etag }
  end

  -- found: {{key, size, at}} -> one entry of `dirs`, with addresses for the first files only.
  local function dir_entry(name, found, request)
    table.sort(found, function(a, b) return a.key < b.key end)
    local shown = {}
    for i = 1, math.min(#found, request.max_files) do
      local url, err = storage.sign(found[i].key, request.ttl_seconds, request.base_url)
      if not url then return nil, err end
      shown[i] = { key = found[i].key, size = found[i].size, last_modified = clock.iso(found[i].at), url = url }
    end
    return { name = name, prefix = ("file://%s/%s/%s"):format(root, request.layer, name), file_count = #shown, truncated = #found > #shown,
      files = json.list(shown) }
  end

  -- Folder names of a layer with a way to their files, in order.
  local function bronze_folders(request)
    local tables, message, code = files.list(root .. "/bronze")
    if not tables then
      if code == "not_found" then return {} end
      return nil, errors.from(message, code, "list bronze")
    end
    local folders = {}
    for _, entry in ipairs(tables) do
      local name = entry.name .. "/run=" .. request.run .. "/"
      if entry.type == "dir" and files.exists(root .. "/bronze/" .. name) then
        folders[#folders + 1] = { name = name, read = function() return walk_parquet(root, "bronze/" .. name) end }
      end
    end
    return folders
  end

  local function table_files(layer, name)
    local found, err = catalog.files(layer, name)
    if not found then
      if err.code == "NotFound" then return nil end
      return nil, err
    end
    local list = {}
    for _, file in ipairs(found) do
      local inner = file.path:sub(1, #root + 1) == root .. "/" and file.path:sub(#root + 2)
      if inner then list[#list + 1] = { key = inner, size = file.bytes, at = file.modified_at } end
    end
    return list
  end

  local function table_folders(request)
    local names, err = catalog.databases()
    if not names then return nil, err end
    local known = false
    for _, name in ipairs(names) do known = known or name == request.layer end
    if not known then return {} end
    local tables
    tables, err = catalog.tables(request.layer, { limit = request.max_dirs + 1 })
    if not tables then return nil, err end
    local folders = {}
    for i, item in ipairs(tables.items) do
      folders[i] = { name = item.name .. "/", read = function() return table_files(request.layer, item.name) end }
    end
    return folders
  end

  function storage.list(request)
    local prefix = ("file://%s/%s/"):format(root, request.layer)
    if request.max_dirs == 0 then return { prefix = prefix, dir_count = 0, dirs = json.list {}, truncated = true } end
    local folders, err = (request.layer == "bronze" and bronze_folders or table_folders)(request)
    if not folders then return nil, err end
    local dirs, truncated = {}, false
    for _, folder in ipairs(folders) do
      if #dirs == request.max_dirs then
        truncated = true
        break
      end
      local found, problem = folder.read()
      if problem then return nil, problem end
      if found then
        dirs[#dirs + 1], problem = dir_entry(folder.name, found, request)
        if problem then return nil, problem end
      end
    end
    return { prefix = prefix, dir_count = #dirs, dirs = json.list(dirs), truncated = truncated,
      expires_at = clock.iso(clock.now() + request.ttl_seconds) }
  end

  return storage
end

return M
