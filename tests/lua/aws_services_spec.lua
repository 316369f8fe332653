-- The stand-ins of AWS that other specs rely on: they start, answer, and are one for the whole run.
local http = require "sm.http"
local json = require "sm.json"
local services = require "aws_services"

local function ask(url, service, target)
  local answer = assert(http.request { method = "POST", url = url, body = "{}", headers = {
    ["X-Amz-Target"] = target, ["Content-Type"] = "application/x-amz-json-1.0",
    Authorization = ("AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/%s/aws4_request, SignedHeaders=host, Signature=0"):format(service) } })
  return answer.status, json.decode(answer.body)
end

describe("services of the specs:", function()
  it("moto answers", function()
    if not services.has "moto" then return pending "moto is not installed" end
    local status, value = ask(services.url "moto", "athena", "AmazonAthena.ListWorkGroups")
    assert.equal(200, status)
    assert.equal("primary", value.WorkGroups[1].Name)
    assert.equal(services.url "moto", services.url "moto")
  end)

  it("DynamoDB Local answers", function()
    if not services.has "dynamodb" then return pending "DynamoDB Local is not installed" end
    local status, value = ask(services.url "dynamodb", "dynamodb", "DynamoDB_20120810.ListTables")
    assert.equal(200, status)
    assert.is_table(value.TableNames)
  end)
end)
