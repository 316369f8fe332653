-- Lists the databases of the lake and their tables.
--
-- What it does: names by default; with columns the type and the columns of each table too; a search keeps the tables
-- whose name holds the text; a limit gives pages.
-- What you may change here: the largest page.
local json = require "lib.json"
local shape = require "lib.shape"

local M = {}

local MAX_LIMIT <const> = 1000

M.name = "schemas"
M.summary = "Databases and their tables."
M.ports = { "catalog" }
M.input = shape.object {
  columns = shape.boolean { default = false, doc = "with types and columns" },
  search = shape.string { optional = true, blank_is_absent = true, max = 200, doc = "text in the table's name" },
  database = shape.string { optional = true, blank_is_absent = true, doc = "only this database" },
  limit = shape.integer { optional = true, min = 1, max = MAX_LIMIT, clamp = true, doc = "tables in one answer; all when absent" },
  next_page_token = shape.string { optional = true, blank_is_absent = true, doc = "where the last answer ended" },
}

local function shown_columns(columns)
  local list = {}
  for i, column in ipairs(columns) do list[i] = { name = column.name, type = column.type, comment = column.comment } end
  return json.list(list)
end

local function shown_table(ports, input, database, item)
  if not input.columns then return item.name end
  local found, err = ports.catalog.table(database, item.name)
  if not found then return nil, err end
  return { name = item.name, type = found.type, columns = shown_columns(found.columns) }
end

-- A page token is "database/table": the last table told.
local function read_token(token)
  if not token then return nil end
  return token:match("^([^/]+)/(.*)$")
end

-- Adds the tables of one database; returns how many and, when the page is full, the name of the last one told.
local function add_tables(ports, input, database, from, room, list)
  local cursor = from
  repeat
    local page, err = ports.catalog.tables(database, { search = input.search, limit = room and room - #list, cursor = cursor })
    if not page then return nil, err end
    for _, item in ipairs(page.items) do
      local shown, problem = shown_table(ports, input, database, item)
      if shown then list[#list + 1] = shown
      elseif problem.code ~= "NotFound" then return nil, problem end -- dropped between the two looks: left out
    end
    cursor = page.next
    if room and #list >= room and cursor then return cursor end
  until not cursor
  return false
end

function M.run(ports, input)
  local names, err = ports.catalog.databases()
  if not names then return nil, err end
  local first, after = read_token(input.next_page_token)
  local databases, told, skipping = {}, 0, first ~= nil
  for _, name in ipairs(names) do
    if skipping and name == first then skipping = false end
    if not skipping and (not input.database or input.database == name) then
      if input.limit and told >= input.limit then
        return { databases = json.list(databases), next_page_token = name .. "/" }
      end
      local list = {}
      local from = name == first and after ~= "" and after or nil
      local rest
      rest, err = add_tables(ports, input, name, from, input.limit and input.limit - told, list)
      if rest == nil then return nil, err end
      told = told + #list
      if #list > 0 or not input.search then databases[#databases + 1] = { name = name, tables = json.list(list) } end
      if rest then return { databases = json.list(databases), next_page_token = name .. "/" .. rest } end
    end
  end
  return { databases = json.list(databases), next_page_token = input.limit and json.null or nil }
end

return M
