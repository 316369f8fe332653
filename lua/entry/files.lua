-- Files as answers: whole, or one range of them (RFC 9110). The server sends the bytes; here is decided which.
local errors = require "lib.errors"
local stream = require "entry.stream"

local M = {}

local types = { parquet = "application/vnd.apache.parquet", csv = "text/csv", json = "application/json", ndjson = "application/x-ndjson",
  txt = "text/plain; charset=utf-8", avro = "application/avro" }

---@param name string
---@return string
function M.content_type(name)
  return types[name:lower():match("%.(%w+)$") or ""] or "application/octet-stream"
end

local MAX_DIGITS <const> = 18

local function number(digits)
  if digits == "" or #digits > MAX_DIGITS then return nil end
  return math.tointeger(tonumber(digits))
end

-- One byte range. Several ranges, other units and nonsense are answered with the whole file, as the RFC allows.
---@param header string?
---@param size integer
---@return integer? first   nil: the whole file
---@return integer? last
---@return boolean? unsatisfiable
function M.range(header, size)
  local from, to = (header or ""):match("^%s*bytes%s*=%s*(%d*)%s*%-%s*(%d*)%s*$")
  if not from or (from == "" and to == "") then return nil end
  local first, last = number(from), number(to)
  if from == "" then
    if to:find("^0+$") or size == 0 then return nil, nil, true end
    return math.max(0, size - (last or size)), size - 1
  end
  if not first or first >= size then return nil, nil, true end
  if last and last < first then return nil end
  return first, math.min(last or size - 1, size - 1)
end

-- If-Range: the range counts only while the file is still the one the caller knows.
local function still_same(header, etag)
  return header == nil or (etag ~= nil and header == etag)
end

---@param request table
---@param headers table   changed: type, length and range are added
---@param result table    { file, size, file_name?, content_type?, etag? }
---@return table? answer
---@return Error?
function M.answer(request, headers, result)
  local size, asked = result.size, request.headers
  headers["Content-Type"] = result.content_type or M.content_type(result.file_name or result.file)
  headers["Accept-Ranges"] = "bytes"
  headers["Cache-Control"] = "private, no-cache"
  headers["ETag"] = result.etag
  if result.file_name then headers["Content-Disposition"] = stream.disposition(result.file_name) end
  if result.etag and asked["if-none-match"] == result.etag then
    headers["Content-Type"] = nil
    return { status = 304, headers = headers }
  end
  local first, last, unsatisfiable
  if still_same(asked["if-range"], result.etag) then first, last, unsatisfiable = M.range(asked.range, size) end
  if unsatisfiable then
    headers["Content-Range"] = "bytes */" .. size
    return nil, errors.new("RangeNotSatisfiable", ("the file has %d bytes"):format(size))
  end
  if not first then return { status = 200, headers = headers, body = { file = result.file, offset = 0, length = size } } end
  headers["Content-Range"] = ("bytes %d-%d/%d"):format(first, last, size)
  return { status = 206, headers = headers, body = { file = result.file, offset = first, length = last - first + 1 } }
end

return M
