-- STS: the identity provider behind a web identity may be slow to answer; that passes.
local function note_retryable(err)
  if err.code == "IDPCommunicationError" or err.code == "IDPCommunicationErrorException" then err.retryable = true end
  return err
end

return { ["*"] = { on_error = note_retryable } }
