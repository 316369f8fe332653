-- Answers that are written as they come: server-sent events and downloads.
local json = require "lib.json"
local answer = require "entry.answer"

local M = {}

local KEEP_ALIVE_SECONDS <const> = 15
local END_SECONDS <const> = 3 -- kept of an invocation's time to end in peace
local NO_DEADLINE <const> = 0 -- what is written as it comes may take longer than other answers
local RETRY <const> = "retry: 2000\n\n"

-- One event as text. Data that is not text is written as JSON; a text of several lines becomes several data lines.
---@param event table  { id?, event?, data }
---@return string
function M.frame(event)
  local lines = {}
  if event.id ~= nil then lines[#lines + 1] = "id: " .. tostring(event.id):gsub("[\r\n%z]", " ") end
  if event.event then lines[#lines + 1] = "event: " .. event.event:gsub("[\r\n]", " ") end
  local data = event.data
  if type(data) ~= "string" then data = json.encode(answer.public(data == nil and json.null or data)) end
  for line in (data:gsub("\r\n?", "\n") .. "\n"):gmatch("(.-)\n") do lines[#lines + 1] = "data: " .. line end
  lines[#lines + 1] = "\n"
  return table.concat(lines, "\n")
end

-- How long to wait for the next events, where the time is limited; nil when it is nearly over.
---@param remaining (fun(): number?)?  seconds
---@return fun(): number?
function M.wait_within(remaining)
  return function()
    local left = remaining and remaining()
    if not left then return KEEP_ALIVE_SECONDS end
    return left > END_SECONDS and math.min(KEEP_ALIVE_SECONDS, left - END_SECONDS) or nil
  end
end

---@param next_events fun(wait_seconds: number): table?
---@param write fun(chunk: string): boolean?
---@param options {wait: fun(): number?, once: boolean?}  once: only the first events, or the word that there are none yet
function M.write_events(next_events, write, options)
  if not write(RETRY) then return end
  repeat
    local wait = options.wait()
    local events = wait and next_events(wait)
    if not events then return end
    local frames = {}
    for i, event in ipairs(events) do frames[i] = M.frame(event) end
    if not write(#frames > 0 and table.concat(frames) or ": keep-alive\n\n") then return end
  until options.once
end

---@param headers table
---@param result table  { events = fun(wait_seconds): list? }
---@return table answer
function M.events(headers, result)
  headers["Content-Type"] = "text/event-stream"
  headers["Cache-Control"] = "no-store"
  headers["X-Accel-Buffering"] = "no"
  local function body(write) M.write_events(result.events, write, { wait = M.wait_within() }) end
  return { status = 200, headers = headers, deadline = NO_DEADLINE, body = body, next_events = result.events }
end

-- A header value for a file name: quoted text without quotes and controls, and the exact name in UTF-8 beside it.
---@param name string
---@return string
function M.disposition(name)
  local plain = name:gsub('[%c"\\\x80-\xff]', "_")
  if plain == name then return ('attachment; filename="%s"'):format(plain) end
  local exact = name:gsub("[^%w%-._~]", function(c) return ("%%%02X"):format(c:byte()) end)
  return ("attachment; filename=\"%s\"; filename*=UTF-8''%s"):format(plain, exact)
end

-- A reader that fails in the middle raises: the connection is cut, so nobody takes half a file for a whole one.
-- A reader that is a table holds something, a place in the engine for one, and gives it back however this ends.
local function write_chunks(first, read, write)
  local _ <close> = type(read) == "table" and read or nil
  local chunk, err = first, nil
  while chunk do
    if not write(chunk) then return end
    chunk, err = read()
  end
  if err then error(err, 0) end
end

---@param headers table
---@param result table  { stream = fun(): string?, Error?, content_type, file_name? }
---@return table? answer   nil when it failed before its first byte: then it is an error like any other
---@return Error?
function M.download(headers, result)
  local first, err = result.stream()
  if not first and err then return nil, err end
  if result.file_name then headers["Content-Disposition"] = M.disposition(result.file_name) end
  headers["Cache-Control"] = "no-store"
  local function body(write) write_chunks(first, result.stream, write) end
  return { status = 200, headers = headers, deadline = NO_DEADLINE, body = body }
end

return M
