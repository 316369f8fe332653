-- Integrity values of small inputs, and each again in pieces.
local checksum = require "sm.checksum"
local crypto = require "sm.crypto"
local json = require "lib.json"
local signing = require "conformance.support.signing"

local M = { name = "checksums" }

local NAMES <const> = { "crc32", "crc32c", "crc64nvme", "md5", "sha1", "sha256" }

local function in_pieces(name, text)
  local state = checksum.new(name)
  for i = 1, #text, 3 do state:add(text:sub(i, i + 2)) end
  return crypto.base64(state:value())
end

local function run_case(case, report)
  local text = case.hex and crypto.unhex(case.hex) or case.fill:rep(case.length)
  for _, name in ipairs(NAMES) do
    local wanted = case[name]
    if wanted then
      local value, digits = wanted, nil
      if type(wanted) == "table" then value, digits = wanted.base64, wanted.hex end
      report(case.id .. " " .. name, signing.compare {
        { "value", checksum.base64(name, text), value },
        { "in pieces", in_pieces(name, text), value },
        { "digits", crypto.hex(checksum.of(name, text)), digits },
      })
    end
  end
end

---@param dir string
---@param report fun(case: string, ok: boolean, why: string?)
function M.run(dir, report)
  local text = signing.read(dir .. "/extra/checksums.json")
  if not text then return end
  local vectors = assert(json.decode(text))
  for _, case in ipairs(vectors.cases) do run_case(case, report) end
end

return M
