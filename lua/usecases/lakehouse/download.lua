-- Gives a file of the lake to whoever holds a signed address that has not expired.
--
-- What it does: the address says which file and until when; an altered or expired one is refused.
-- What you may change here: nothing; how long addresses live is a setting.
local shape = require "lib.shape"

local M = {}

M.name = "download"
M.summary = "A file of the lake, by signed address."
M.ports = { "storage" }
M.input = shape.object {
  path = shape.string { max = 4096, doc = "the file" },
  expires = shape.string { optional = true, doc = "end of the address's life" },
  signature = shape.string { optional = true, doc = "proof that this service made the address" },
}

function M.run(ports, input)
  local found, err = ports.storage.open_signed(input.path, { expires = input.expires, signature = input.signature })
  if not found then return nil, err end
  return { file = found.path, size = found.size, file_name = found.name, etag = found.etag,
      content_type = "application/vnd.apache.parquet" }
end

return M
