-- A server without a network, to be killed: resumes what is unfinished, starts the first refresh, and ends when nothing is left to do.
local data, source = ...
package.path = package.path .. ";./tests/support/?.lua"
local house = require("house").open { data = data, source = source }
assert(house.app.resume())
local jobs = assert(house.ports.jobs.list {}).items
local id = jobs[1] and jobs[1].id or assert(house.call("run", { run = "2025-08-13" })).job_id
local job = house.ended(id)
house.settle()
house.close()
print(job.state)
