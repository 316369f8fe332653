local listing = require "domain.lakehouse.listing"

local function layer(dirs, files, url_bytes)
  local out = { dirs = {}, dir_count = dirs, truncated = false }
  for d = 1, dirs do
    local dir = { name = "t" .. d .. "/", prefix = "s3://lake/t" .. d .. "/", file_count = files, truncated = false, files = {} }
    for f = 1, files do dir.files[f] = { key = "t/" .. f, size = 1, last_modified = "2025-08-13T08:00:00Z", url = ("u"):rep(url_bytes) } end
    out.dirs[d] = dir
  end
  return out
end

local function count(one)
  local files = 0
  for _, dir in ipairs(one.dirs) do
    assert.are.equal(dir.file_count, #dir.files)
    files = files + #dir.files
  end
  return files
end

describe("listing", function()
  local NAMES <const> = { "bronze", "silver", "gold" }

  it("is left alone where nothing limits it", function()
    local layers = { bronze = layer(25, 50, 1500), silver = layer(0, 0, 0), gold = layer(1, 1, 10) }
    listing.fit(layers, NAMES, nil)
    assert.are.equal(1250, count(layers.bronze))
    assert.is_false(layers.bronze.truncated)
  end)

  it("is cut to what fits, and says so; small layers leave their share to the others", function()
    local layers = { bronze = layer(25, 50, 1500), silver = layer(25, 50, 1500), gold = layer(2, 5, 1500), ttl_seconds = 900 }
    listing.fit(layers, NAMES, 3 << 20)
    assert.is_true(layers.bronze.truncated)
    assert.is_true(layers.silver.truncated)
    assert.is_false(layers.gold.truncated)
    assert.are.equal(10, count(layers.gold))
    assert.is_true(count(layers.bronze) > 850)
    assert.is_true(count(layers.silver) > 850)
    assert.are.equal(25, #layers.bronze.dirs)
    local text = assert(require("sm.json").encode { body = assert(require("sm.json").encode(layers)) })
    assert.is_true(#text < 3 << 20, #text)
    assert.is_true(#text > 2.2 * (1 << 20), #text)
  end)
end)
