-- The steps from a profile to its credentials. Nothing is sent.
local plan = require "aws.credentials.plan"
local vectors = require "conformance.support.vectors"

local as_published = {
  static = function(step)
    return { AccessKey = { access_key_id = step.access_key, secret_access_key = step.secret_key, session_token = step.session_token } }
  end,
  source = function(step) return { NamedSource = step.name } end,
  web_identity = function(step)
    return { WebIdentityToken = { role_arn = step.role_arn, web_identity_token_file = step.token_file, role_session_name = step.session_name } }
  end,
  sso = function(step)
    return { Sso = { sso_session = step.session, sso_region = step.region, sso_start_url = step.start_url,
      sso_account_id = step.account_id, sso_role_name = step.role_name } }
  end,
  login = function(step) return { LoginSession = { login_session_arn = step.session } } end,
  process = function(step) return { CredentialProcess = step.command } end,
  assume_role = function(step)
    return { AssumeRole = { role_arn = step.role_arn, external_id = step.external_id, role_session_name = step.session_name } }
  end,
}

local function check(output, steps, err)
  if output.Error then return steps == nil and err ~= nil, "a refusal was expected: " .. output.Error end
  if not steps then return false, tostring(err) end
  local got = {}
  for i, step in ipairs(steps) do got[i] = as_published[step.kind](step) end
  local why = vectors.difference(output.ProfileChain, got, "chain")
  return why == nil, why
end

return { name = "assume_role", run = function(folder, report)
  for i, case in ipairs(vectors.read_json(folder .. "/credentials/assume-role-tests.json") or {}) do
    local set = { profiles = case.input.profiles, sso_sessions = case.input.sso_sessions or {}, services = {} }
    report(("#%d %s"):format(i, case.docs), check(case.output, plan.resolve(set, case.input.selected_profile)))
  end
end }
