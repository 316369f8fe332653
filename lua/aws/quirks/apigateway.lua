-- API Gateway answers in HAL unless JSON is asked for.
local function ask_json(request)
  request.headers["accept"] = request.headers["accept"] or "application/json"
  return request
end

return { ["*"] = { after_serialize = ask_json } }
