-- Who calls, by the word of the gateway that has checked it. What the gateway says stands beside the client's headers, never
-- among them, so nobody outside can write it.
local fields = require "entry.lambda.fields"

local M = {}

local function first(...)
  for i = 1, select("#", ...) do
    local value = fields.text((select(i, ...)))
    if value and value ~= "" then return value end
  end
end

local function of_claims(claims)
  claims = fields.object(claims)
  return claims and first(claims.sub, claims.client_id, claims["cognito:username"], claims.username)
end

-- Identity pools give one role to all their users: the identity tells them apart, the role does not.
local function of_iam(iam)
  iam = fields.object(iam)
  if not iam then return nil end
  local pool = fields.within(iam.cognitoIdentity)
  return first(pool.identityId, iam.cognitoIdentityId, iam.userArn, iam.callerId, iam.caller)
end

---@param context table?  requestContext of the event
---@return string? caller  nil: nobody has checked who calls
function M.of(context)
  context = fields.within(context)
  local authorizer = fields.within(context.authorizer)
  local own = fields.within(authorizer.lambda) -- what a function of the operator's answered
  local jwt = fields.within(authorizer.jwt)
  return of_claims(authorizer.claims) or of_claims(jwt.claims) or of_iam(authorizer.iam)
    or first(authorizer.principalId, own.principalId, own.sub) or of_iam(context.identity)
end

return M
