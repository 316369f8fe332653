-- S3 Control: the endpoint's rules put the account into the host; the operation's prefix would do it a second time.
local function drop_prefix(request)
  request.host_prefix = nil
  return request
end

return { ["*"] = { after_serialize = drop_prefix } }
