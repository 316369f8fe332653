-- What time it is for leases: this machine's clock, corrected by what the service says in its answers (the header Date), so
-- that two machines whose clocks differ agree on when a lease ends. The header has whole seconds and is on its way for a
-- moment: only a difference beyond that is one.
local M = {}

local NOISE_SECONDS <const> = 2

---@class ServiceTime
---@field now fun(): number
---@field seen fun(response: table)   told of every answer of the service
---@field ready fun(ask: fun(): any, table?): boolean|nil, any   asks the service once when it has said nothing yet

---@param clock table            port clock
---@param parse fun(text: string): number?   of an HTTP date
---@return ServiceTime
function M.new(clock, parse)
  local offset
  local time = {}

  function time.now() return clock.now() + (offset or 0) end

  function time.seen(response)
    local date = response and response.headers and response.headers.date
    local told = date and parse(date)
    if not told then return end
    local difference = told - clock.now()
    offset = math.abs(difference) > NOISE_SECONDS and difference or 0
  end

  function time.ready(ask)
    if offset then return true end
    local _, err = ask()
    if err then return nil, err end
    offset = offset or 0
    return true
  end

  return time
end

--- The clock as it is, for who trusts it.
---@param clock table
---@return ServiceTime
function M.plain(clock)
  return { now = clock.now, seen = function() end, ready = function() return true end }
end

return M
