-- What the layers hold, cut to what an answer can carry: addresses of files are long, and gateways have limits.

local M = {}

local FILE_BYTES <const>, DIR_BYTES <const> = 160, 320 -- of an entry beside its texts, quoted twice

local function file_size(file) return FILE_BYTES + #file.key + #file.url + #(file.last_modified or "") end

-- Cuts one layer; gives the bytes that it takes.
local function fit_layer(layer, max_bytes)
  local bytes = 0
  for _, dir in ipairs(layer.dirs) do
    bytes = bytes + DIR_BYTES + #dir.name + #dir.prefix
    local kept = 0
    for i, file in ipairs(dir.files) do
      local size = file_size(file)
      if bytes + size > max_bytes then break end
      bytes, kept = bytes + size, i
    end
    if kept < #dir.files then
      for i = #dir.files, kept + 1, -1 do dir.files[i] = nil end
      dir.file_count, dir.truncated, layer.truncated = kept, true, true
    end
  end
  return bytes
end

--- Cuts the files of layers until they fit; a layer that needs less than its share leaves the rest to the others.
---@param layers table<string, Layer>
---@param names string[]       the layers' names
---@param max_bytes integer?   nil: everything fits
---@return table layers        the same
function M.fit(layers, names, max_bytes)
  if not max_bytes then return layers end
  local order, left = {}, max_bytes
  for i, name in ipairs(names) do order[i] = { layer = layers[name], needs = fit_layer(layers[name], math.huge) } end
  table.sort(order, function(a, b) return a.needs < b.needs end)
  for i, one in ipairs(order) do left = left - fit_layer(one.layer, left // (#order - i + 1)) end
  return layers
end

return M
