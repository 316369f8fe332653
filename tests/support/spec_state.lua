-- A state database of one spec. Its file loses its name at once, so that nothing is left behind.
local files = require "sm.files"

return function()
  local folder = assert(files.temp_dir())
  local db = assert(require("adapters.local.state").open(folder .. "/state.sqlite"))
  files.remove_tree(folder)
  return db
end
