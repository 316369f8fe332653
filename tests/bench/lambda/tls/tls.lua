-- Asks an HTTPS address twice; the answer holds when each request began (seconds of the monotonic clock).
local http = require "sm.http"
local time = require "sm.time"

return function(event)
  local began = {}
  for i = 1, 2 do
    began[i] = time.monotonic()
    http.request { url = event.url, timeout = 5 }
  end
  return { began = began }
end
