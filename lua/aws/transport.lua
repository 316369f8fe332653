-- Sends a signed request and gives the answer. Nothing is tried again here and no redirect is followed.
--
-- Certificates: a bundle that the caller or AWS_CA_BUNDLE / SM_CA_BUNDLE names; else the Amazon roots for AWS hosts, where the
-- host has them built in; else the system's. Proxies are libcurl's: HTTPS_PROXY, NO_PROXY.
local failure = require "aws.failure"

local M = {}

local CONNECT_SECONDS <const> = 3
local READ_SECONDS <const> = 60
local MAX_ANSWER <const> = 256 * 1024 * 1024 -- of an answer that is read whole; payloads stream
local TIGHT <const> = 0.001

---@class aws.Answer: aws.Response
---@field version string
---@field close fun()?  of a streaming body

local function env(name)
  local value = require("sm.files").env(name)
  return value ~= "" and value or nil
end

-- Seconds that are left for all of it: what the task has, and what the caller allows.
local function seconds_left(options)
  local left = require("sm.task").remaining()
  if options.timeout and (not left or options.timeout < left) then left = options.timeout end
  return left
end

-- Hosts whose certificates come from Amazon's own roots. Other partitions (China, isolated ones) are not known to.
local function is_amazon(url)
  local host = url:match("^https://([^/:?#]+)")
  return host ~= nil and (host:find("%.amazonaws%.com$") or host:find("%.api%.aws$") or host:find("%.on%.aws$")) ~= nil
end

local function ca_options(config, out)
  out.ca_file = config.ca_bundle or env "AWS_CA_BUNDLE" or env "SM_CA_BUNDLE"
  if not out.ca_file and is_amazon(out.url) then out.ca = "amazon" end
  return out
end

-- A body that is no text, as the function that sm.http takes.
local function body_of(body)
  if body == nil or type(body) == "string" or type(body) == "function" then return body end
  return function()
    local piece, message = body.read(64 * 1024)
    if message then error(message, 0) end
    return piece
  end
end

local function http_options(request, config, options, left)
  local headers = {}
  for name, value in pairs(request.headers) do
    if name ~= "host" then headers[name] = value end
  end
  local body = body_of(request.body)
  if body == nil and (request.method == "POST" or request.method == "PUT") then body = "" end
  return ca_options(config, {
    method = request.method, url = request.url, headers = headers, body = body, stream = options.stream, fresh = options.fresh,
    connect_timeout = math.min(config.connect_timeout or CONNECT_SECONDS, left or math.huge),
    read_timeout = config.read_timeout or READ_SECONDS, timeout = left or 0,
    max_bytes = not options.stream and (options.max_bytes or MAX_ANSWER) or nil,
  })
end

local FAILED <const> = {
  timeout = { "timeout", "TimedOut" }, refused = { "transport", "CertificateRefused", false },
  invalid = { "validation", "InvalidRequest", false }, limit = { "response", "AnswerTooLarge", false },
  body = { "transport", "BodyFailed", false },
  no_memory = { "transport", "NoMemory", false }, cancelled = { "transport", "Cancelled", false },
}

local function failed(message, code, unsent)
  local known = FAILED[code] or { "transport", "ConnectionFailed" }
  if code == "invalid" and unsent == false then known = { "transport", "NoHttp" } end -- an answer that is none
  return nil, failure.new {
    kind = known[1], code = known[2], message = message, retryable = known[3] == nil, unsent = unsent or nil,
  }
end

-- The rest of a streamed answer as text: bodies of errors are read whole.
local function read_all(answer)
  local parts = {}
  while true do
    local piece, message, code = answer.read()
    if not piece then
      if message then return failed(message, code) end
      return table.concat(parts)
    end
    parts[#parts + 1] = piece
  end
end

local function streamed(answer)
  if answer.status >= 300 then
    local body, err = read_all(answer)
    if not body then return nil, err end
    return { status = answer.status, headers = answer.headers, version = answer.version, body = body }
  end
  return { status = answer.status, headers = answer.headers, version = answer.version, body = answer.read, close = answer.close }
end

-- The world of a test sends in its own way.
local function sender(config) return config.world and config.world.http or require("sm.http").request end

-- A reader of a body may raise; that is its failure and not ours.
local function ask(send, given)
  if type(given.body) ~= "function" then return send(given) end
  local ok, answer, message, code, unsent = pcall(send, given)
  if ok then return answer, message, code, unsent end
  return nil, "the body could not be read: " .. tostring(answer), "body"
end

---@param request aws.Request  with url
---@param config aws.Config
---@param options table?  stream: the payload is read piece by piece; timeout: seconds for all; fresh: a new connection; max_bytes
---@return aws.Answer? answer
---@return aws.Failure? failure
function M.send(request, config, options)
  options = options or {}
  local left = seconds_left(options)
  if left and left <= TIGHT then
    return failure.refuse("timeout", "DeadlineExceeded", "no time is left to send the request")
  end
  local answer, message, code, unsent = ask(sender(config), http_options(request, config, options, left))
  if not answer then return failed(message, code, unsent) end
  if options.stream then return streamed(answer) end
  return answer
end

return M
