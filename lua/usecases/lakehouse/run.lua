-- Starts a refresh of the lake for one day, unless one was started a moment ago.
--
-- What it does: checks the day, takes the refresh lock (exactly one of any number of simultaneous calls gets it), writes
-- down the job, starts it in the background, and answers with what the layers hold now, before the refresh.
-- What you may change here: LAYERS, which layers are listed; the words of the message; what a caller may name.
-- Cooldown, lock key and listing limits are settings.
local errors = require "lib.errors"
local listing = require "domain.lakehouse.listing"
local shape = require "lib.shape"
local starting = require "domain.lakehouse.starting"

local M = {}

local LAYERS <const> = { "bronze", "silver", "gold" }

M.name = "run"
M.summary = "Start a refresh of bronze, silver and gold for one day."
M.ports = { "clock", "functions", "ids", "jobs", "lock", "storage", "tasks" }
M.input = shape.object {
  run = shape.date { optional = true, falsy_is_absent = true, doc = "day to refresh; today (UTC) when absent", example = "2025-08-13" },
  idempotency_key = shape.string { optional = true, min = 1, max = 200, doc = "the same key starts the refresh once" },
}

-- What the layers hold; with nothing to read (max_dirs 0) only where they are.
local function list_layers(ports, run, ctx, max_dirs)
  local settings = ctx.settings
  local calls = {}
  for i, layer in ipairs(LAYERS) do
    calls[i] = function()
      return ports.storage.list { layer = layer, run = run, max_dirs = max_dirs, max_files = settings.max_files_per_dir,
        ttl_seconds = settings.presign_ttl_seconds, base_url = ctx.base_url }
    end
  end
  local listed, err = ports.tasks.parallel(calls)
  if not listed then return nil, err end
  local layers = { ttl_seconds = settings.presign_ttl_seconds }
  for i, layer in ipairs(LAYERS) do layers[layer] = listed[i] end
  return listing.fit(layers, LAYERS, settings.answer_bytes)
end

local function refused(ports, run, ctx, err)
  local details = { retry_after_seconds = err.details.retry_after_seconds, run = run, job_id = err.details.owner }
  details.layers = list_layers(ports, run, ctx, 0)
  return nil, errors.new("CooldownActive", err.message, details)
end

function M.run(ports, input, ctx)
  local run = input.run or ports.clock.today()
  local request = { run = run, today = input.run == nil, owner = ctx.caller, key = input.idempotency_key }
  local started, err = starting.start(ports, request, ctx)
  if not started then
    if err.code == "CooldownActive" then return refused(ports, run, ctx, err) end
    return nil, err
  end
  -- The refresh has started: a listing that fails must not hide its id.
  local layers = list_layers(ports, started.run, ctx, ctx.settings.max_dirs_per_layer) or list_layers(ports, started.run, ctx, 0)
  return { status = "accepted", run = started.run, job_id = started.job_id, layers = layers,
    cooldown_seconds = ctx.settings.cooldown_seconds }, "accepted"
end

return M
