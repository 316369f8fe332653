-- The ports of a lake on a Trino cluster, from the settings: warehouse, catalog and table_store. Jobs, lock and results stay
-- on this machine; see docs/trino.md.
local errors = require "lib.errors"

local M = {}

-- A secret lies in a file, so that it is neither in the process list nor in the environment.
local function secret(path, setting)
  if not path then return nil end
  local text, message, code = require("sm.files").read(path)
  if not text then return nil, errors.from(message, code, setting) end
  text = text:gsub("%s+$", "")
  if text == "" or text:find("[%c]") then return nil, errors.new("BadSetting", ("%s: the file %s must hold one line"):format(setting, path)) end
  return text
end

local function client_of(settings)
  local password, err = secret(settings.trino_password_file, "SEWING_TRINO_PASSWORD_FILE")
  if err then return nil, err end
  local token
  token, err = secret(settings.trino_token_file, "SEWING_TRINO_TOKEN_FILE")
  if err then return nil, err end
  return require("adapters.trino.client").new { url = settings.trino_url, user = settings.trino_user, password = password, token = token,
    catalog = settings.trino_catalog, ca_file = settings.trino_ca_file }
end

---@param settings table
---@param place {data: string, state: table}   the data folder and its state
---@return {warehouse: table, catalog: table, table_store: table}? ports
---@return Error? err
function M.open(settings, place)
  local client, err = client_of(settings)
  if not client then return nil, err end
  local catalog = require "adapters.trino.catalog"
  local root = place.data .. "/lake"
  local ports = {}
  ports.catalog = catalog.new { client = client, catalog = settings.trino_catalog, hive = settings.trino_hive_catalog,
    base = settings.trino_location, local_root = root, shared_root = (settings.trino_shared or "file://" .. root):gsub("/+$", ""),
    new_id = require("sm.crypto").uuid }
  ports.table_store, err = require("adapters.trino.table_store").new { client = client, catalog = settings.trino_catalog,
    table = ports.catalog.table, location = ports.catalog.location, state = place.state }
  if not ports.table_store then return nil, err end
  ports.warehouse, err = require("adapters.local.warehouse").new { data = place.data, state = place.state,
    engine = require("adapters.trino.engine").new(client, catalog.names_of(client, settings.trino_catalog)),
    max_bytes = settings.query_max_bytes, max_rows = settings.query_max_rows, max_scanned_bytes = settings.query_max_scan,
    running = settings.query_parallel }
  if not ports.warehouse then return nil, err end
  return ports
end

return M
