-- A refresh on AWS from POST /run to the gold listing, as in production: the built bootstrap answers for three functions, moto is
-- the cloud, every signature is checked.
local http = require "sm.http"
local journey = require "aws_journey"

for _, program in ipairs(journey.programs()) do describe("a refresh on AWS with " .. program, function()
  if not journey.available() then return pending "moto or the program bootstrap is not there" end

  local world
  after_each(function()
    if world then world:stop() end
    world = nil
  end)

  local function step(job, name)
    for _, one in ipairs(job.steps) do if one.name == name then return one end end
  end

  -- POST /run up to the running load.
  local function started(options)
    world = journey.start(options, program)
    local status, headers, body = world:request("POST", "/run", { run = "2025-08-13" })
    assert.are.equal(202, status)
    assert.are.equal("/prod/runs/" .. body.jobId, headers["Location"])
    world.lambda:settle()
    return body.jobId, body
  end

  local function nothing_left_behind()
    assert.are.same({}, world:rules())
    assert.are.same({}, world.lambda.dead)
    assert.is_nil(world.server.complaint())
  end

  it("goes from POST /run to gold, and repeated events do no harm", function()
    local id = started()
    -- the rule was there before the load began, and the load runs
    assert.are.equal("sewingmachine-dms-finished-" .. id, world:rules()[1].Name)
    assert.are.equal("running", world:task_status())
    assert.are.equal("RUNNING", world:job(id).state)
    assert.are.equal("load", world:job(id).steps[1].name)
    -- somebody else asks meanwhile
    local status, headers, body = world:request("POST", "/run", { run = "2025-08-13" })
    assert.are.equal(429, status)
    assert.are.equal("CooldownActive", body.error.code)
    assert.is_truthy(headers["Retry-After"])
    -- another task's event fits no rule
    local event = world:end_load()
    local other = { source = event.source, ["detail-type"] = event["detail-type"], detail = event.detail, resources = { event.resources[1] .. "X" } }
    assert.are.equal(0, world:deliver(other))
    -- the load's end is told twice, as buses do
    assert.are.equal(1, world:deliver(event))
    assert.are.equal(1, world:deliver(event))
    world.lambda:settle()
    local job = world:job(id)
    if job.state ~= "SUCCEEDED" then error(require("lib.json").encode(job) .. "\n" .. world.lambda:logs()) end
    for _, one in ipairs(job.steps) do assert.are.equal("SUCCEEDED", one.state, one.name) end
    -- the statements: staging first, gold last, each with a token of its own, none twice
    local statements, tokens = world.statements, {}
    assert.is_true(#statements > 20)
    for _, one in ipairs(statements) do
      assert.is_nil(tokens[one.ClientRequestToken])
      tokens[one.ClientRequestToken] = true
      assert.are.equal("AwsDataCatalog", one.QueryExecutionContext.Catalog)
      assert.is_nil(one.QueryString:find(";%s*$"))
    end
    -- late events, of the rule and of a permanent one, start nothing
    local before = #statements
    world.lambda:invoke_later("athena-runner", { jobId = id, run = "2025-08-13", cleanupRule = "sewingmachine-dms-finished-" .. id,
      timestamp = "2025-08-13T08:10:00Z" })
    world.lambda:invoke_later("athena-runner", event)
    world.lambda:settle()
    assert.are.equal(before, #world.statements)
    local calls = world.lambda:calls_of "athena-runner"
    assert.is_true(calls[#calls].value.ok)
    assert.are.equal("2025-08-13", calls[1].value.run)
    nothing_left_behind()
  end)

  if program ~= journey.programs()[1] then return end -- the release is tried on the main road

  it("lists gold with addresses that open", function()
    world = journey.start(nil, program)
    world:put("gold/dim_resident/data/part-0.parquet", "PAR1 rows PAR1")
    world:put("gold/dim_resident/metadata/v1.json", "{}")
    local _, _, body = world:request("POST", "/run", {})
    local gold = body.layers.gold
    assert.are.equal(1, gold.dirCount)
    local file = gold.dirs[1].files[1]
    assert.are.equal("gold/dim_resident/data/part-0.parquet", file.key)
    assert.are.equal(14, file.size)
    local answer = assert(http.request { url = file.url, timeout = 20 })
    assert.are.equal(200, answer.status)
    assert.are.equal("PAR1 rows PAR1", answer.body)
    assert.are.equal(403, assert(http.request { url = file.url:gsub("dim_resident", "fact_visit"), timeout = 20 }).status)
    world.lambda:settle()
  end)

  it("ends as failed when the load fails, leaves nothing behind, and can be started again", function()
    local id = started()
    world:deliver(world:end_load "ORA-00942: table or view does not exist")
    world.lambda:settle()
    local job = world:job(id)
    assert.are.equal("FAILED", job.state)
    assert.matches("ORA-00942", job.error.message, 1, true)
    assert.are.equal("FAILED", step(job, "load").state)
    assert.are.equal(0, #world.statements)
    assert.are.same({}, world:rules())
    assert.is_nil(world.server.complaint())
    world.load_fault = nil
    local status, _, body = world:request("POST", "/run", { run = "2025-08-13" })
    assert.are.equal(202, status)
    assert.are_not.equal(id, body.jobId)
    world.lambda:settle()
    assert.are.equal("running", world:task_status())
  end)

  it("is healed by a schedule when the end of the load was told to nobody", function()
    local id = started()
    world.lambda:invoke_later("orchestrator", { jobId = id, run = "2025-08-13", triggeredAt = "2025-08-13T08:00:00Z" }) -- a repeated start
    world.lambda:settle()
    assert.are.equal(1, #world:rules())
    world:end_load()
    local events = require "lambda_events"
    world.lambda:invoke_later("athena-runner", events.schedule())
    world.lambda:settle()
    assert.are.equal("SUCCEEDED", world:job(id).state)
    nothing_left_behind()
  end)

  it("can be cancelled while it loads, and taken up again", function()
    local id = started()
    assert.are.equal(202, (world:request("DELETE", "/runs/" .. id)))
    world.lambda:settle()
    assert.are.equal("CANCELLED", world:job(id).state)
    assert.are.equal("stopped", world:task_status())
    assert.are.same({}, world:rules())
    local status, headers = world:request("POST", "/runs/" .. id .. "/retry")
    assert.are.equal(202, status)
    assert.are.equal("/prod/runs/" .. id, headers["Location"])
    world.lambda:settle()
    assert.are.equal("running", world:task_status())
    world:deliver(world:end_load())
    world.lambda:settle()
    assert.are.equal("SUCCEEDED", world:job(id).state)
    nothing_left_behind()
  end)

  it("goes on in a fresh invocation before its time is over", function()
    local id = started { timeouts = { advance = 7 } }
    world.slow = { word = "MERGE INTO", seconds = 2.6 }
    world:deliver(world:end_load())
    world.lambda:settle()
    local job = world:job(id)
    if job.state ~= "SUCCEEDED" then error(require("lib.json").encode(job) .. "\n" .. world.lambda:logs()) end
    local calls = world.lambda:calls_of "athena-runner"
    assert.is_true(#calls > 1)
    assert.are.equal("hand over", calls[1].value.outcome)
    assert.are.equal("complete", calls[#calls].value.outcome)
    for _, one in ipairs(job.steps) do assert.are.equal(1, one.attempt, one.name) end
    nothing_left_behind()
  end)

  it("waits in the next invocation for a statement that outlasts one, and never starts it again", function()
    local id = started { timeouts = { advance = 4 } }
    world.hold = { word = "MERGE INTO", is_over = function() return #world.lambda:calls_of "athena-runner" > 1 end }
    world:deliver(world:end_load())
    world.lambda:settle()
    local job = world:job(id)
    if job.state ~= "SUCCEEDED" then error(require("lib.json").encode(job) .. "\n" .. world.lambda:logs()) end
    assert.are.equal("hand over", world.lambda:calls_of("athena-runner")[1].value.outcome)
    for _, one in ipairs(job.steps) do assert.are.equal(1, one.attempt, one.name) end
    local texts = {}
    for _, one in ipairs(world.statements) do
      local is_change = one.QueryString:find("^%s*MERGE") or one.QueryString:find("^%s*INSERT")
      assert.is_falsy(is_change and texts[one.QueryString])
      texts[one.QueryString] = true
    end
    nothing_left_behind()
  end)
end) end
