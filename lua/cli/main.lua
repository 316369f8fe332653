-- What the host starts: the command line, with the real terminal. The number it returns is the exit code.
local console = require("cli.console").new(require "sm.files")
local code = require("cli.dispatch").run(console, { ... })
io.stdout:flush()
return code
