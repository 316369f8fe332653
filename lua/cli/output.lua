-- Lists of records in the four output formats. `columns` names the fields in order; records are tables by name.
local json = require "lib.json"
local table_text = require "cli.table"

local M = {}

local function csv_cell(value)
  if value == nil or type(value) == "userdata" then return "" end
  local s = type(value) == "table" and json.encode(value) or tostring(value)
  if s:find('[",\r\n]') then return '"' .. s:gsub('"', '""') .. '"' end
  return s
end

local function plain(value)
  return type(value) == "table" and json.encode(value) or value
end

local formats = {}

function formats.table(columns, records, console)
  local rows, right = {}, {}
  for i, name in ipairs(columns) do
    right[i] = #records > 0
    for r, record in ipairs(records) do
      rows[r] = rows[r] or {}
      rows[r][i] = plain(record[name])
      if rows[r][i] == nil then rows[r][i] = "" end
      right[i] = right[i] and type(record[name]) == "number"
    end
  end
  return table_text.render(columns, rows, { width = console.width, right = right })
end

function formats.json(_, records)
  return json.encode(json.list(records)) .. "\n"
end

function formats.ndjson(_, records)
  local lines = {}
  for i, record in ipairs(records) do lines[i] = json.encode(record) .. "\n" end
  return table.concat(lines)
end

function formats.csv(columns, records)
  local lines = { table.concat(columns, ",") .. "\n" }
  for _, record in ipairs(records) do
    local cells = {}
    for i, name in ipairs(columns) do cells[i] = csv_cell(record[name]) end
    lines[#lines + 1] = table.concat(cells, ",") .. "\n"
  end
  return table.concat(lines)
end

---@param console table
---@param format string?     nil: table
---@param columns string[]
---@param records table[]
function M.print(console, format, columns, records)
  console.out(formats[format or "table"](columns, records, console))
end

return M
