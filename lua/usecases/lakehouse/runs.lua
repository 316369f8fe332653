-- Lists refreshes, the newest first.
--
-- What you may change here: the page sizes.
local json = require "lib.json"
local shape = require "lib.shape"
local job_view = require "domain.lakehouse.job_view"

local M = {}

local DEFAULT_LIMIT <const>, MAX_LIMIT <const> = 50, 500

M.name = "runs"
M.summary = "List refreshes."
M.ports = { "clock", "jobs" }
M.input = shape.object {
  limit = shape.integer { min = 1, max = MAX_LIMIT, default = DEFAULT_LIMIT, clamp = true, doc = "refreshes in one answer" },
  next_page_token = shape.string { optional = true, blank_is_absent = true, doc = "where the last answer ended" },
  state = shape.enum({ "QUEUED", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED" }, { optional = true, doc = "only these" }),
}

function M.run(ports, input)
  local found, err = ports.jobs.list { limit = input.limit, cursor = input.next_page_token, state = input.state }
  if not found then return nil, err end
  local shown = {}
  for i, job in ipairs(found.items) do shown[i] = job_view.brief(ports, job) end
  return { runs = json.list(shown), next_page_token = found.next or json.null }
end

return M
