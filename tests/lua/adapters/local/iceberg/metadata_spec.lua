-- Table metadata and its changes; manifests and what a scan takes of them.
local manifest = require "adapters.local.iceberg.manifest"
local metadata = require "adapters.local.iceberg.metadata"
local types = require "adapters.local.iceberg.types"

local function table_of(options)
  options = options or {}
  return metadata.new {
    uuid = "u", location = "file:///t", last_column_id = 2, now_ms = options.now_ms or 1000,
    fields = { { id = 1, name = "a", required = false, type = "int" }, { id = 2, name = "b", required = false, type = "string" } },
  }
end

local function with_snapshots(count)
  local meta = table_of()
  for i = 1, count do
    meta = metadata.add_snapshot(meta, { id = i, manifest_list = "l" .. i, summary = { operation = "append" } }, 1000 * i, "m" .. i)
  end
  return meta
end

describe("metadata", function()
  it("chains snapshots with growing sequence numbers and remembers its files", function()
    local meta = with_snapshots(3)
    local current = metadata.current(meta)
    assert.are.equal(3, current["snapshot-id"])
    assert.are.equal(2, current["parent-snapshot-id"])
    assert.are.equal(3, current["sequence-number"])
    assert.are.equal(3, meta["last-sequence-number"])
    assert.are.equal(3, #meta["metadata-log"])
    assert.are.equal(3, meta.refs.main["snapshot-id"])
  end)

  it("changes nothing in place", function()
    local before = table_of()
    metadata.add_snapshot(before, { id = 1, manifest_list = "l", summary = {} }, 2000, "m")
    assert.are.equal(-1, before["current-snapshot-id"])
    assert.are.equal(0, #before.snapshots)
  end)

  it("finds the snapshot of a moment", function()
    local meta = with_snapshots(3)
    assert.are.equal(2, metadata.snapshot_at(meta, 2999)["snapshot-id"])
    assert.is_nil(metadata.snapshot_at(meta, 999))
  end)

  it("never lets time run backwards", function()
    local meta = metadata.add_snapshot(with_snapshots(3), { id = 9, manifest_list = "l", summary = {} }, 5, "m")
    assert.are.equal(3000, meta["last-updated-ms"])
  end)

  it("expires old snapshots and keeps the current one whatever the rule", function()
    local meta, expired = metadata.expire(with_snapshots(4), { min_keep = 2, max_age_ms = 0, now_ms = 100000 })
    assert.are.same({ 1, 2 }, expired)
    assert.are.equal(2, #meta.snapshots)
    assert.are.equal(2, #meta["snapshot-log"])
    assert.is_nil((metadata.expire(meta, { min_keep = 2, max_age_ms = 0, now_ms = 100000 })))
    local kept = metadata.expire(with_snapshots(4), { min_keep = 1, max_age_ms = 0, now_ms = 100000, pinned = { [1] = true } })
    assert.are.equal(2, #kept.snapshots)
  end)

  it("adds, renames, drops and widens columns by field id", function()
    local meta = assert(metadata.evolve(table_of(), metadata.add_column("c", function(next_id) return types.parse("array(int)",
      next_id) end), 2000))
    assert.are.same({ 3, 4 }, { metadata.schema(meta).fields[3].id, metadata.schema(meta).fields[3].type["element-id"] })
    meta = assert(metadata.evolve(meta, metadata.rename_column("b", "bb"), 2000))
    meta = assert(metadata.evolve(meta, metadata.change_type("a", function() return "long" end), 2000))
    meta = assert(metadata.evolve(meta, metadata.drop_column("c"), 2000))
    meta = assert(metadata.evolve(meta, metadata.add_column("c", function() return "int" end), 2000))
    local fields = metadata.schema(meta).fields
    assert.are.same({ "a", "bb", "c" }, { fields[1].name, fields[2].name, fields[3].name })
    assert.are.same({ 1, 2, 5 }, { fields[1].id, fields[2].id, fields[3].id })
    assert.are.equal("long", fields[1].type)
    assert.are.equal("string", metadata.schema(meta, 0).fields[2].type)
    assert.is_nil((metadata.evolve(meta, metadata.rename_column("a", "BB"), 1)))
    assert.is_nil((metadata.evolve(meta, metadata.change_type("a", function() return "int" end), 1)))
    assert.is_nil((metadata.evolve(meta, metadata.drop_column("zz"), 1)))
  end)

  it("refuses format versions it does not know", function()
    local _, err = metadata.check { ["format-version"] = 3 }
    assert.are.equal("NotSupported", err.code)
  end)
end)

describe("manifest", function()
  local marker = ("m"):rep(16)

  it("reads back its entries, with empty sequence numbers for new files", function()
    local entry = { status = manifest.ADDED, snapshot_id = 1 << 60, file = { path = "file:///x.parquet", rows = 5, bytes = 100,
      column_sizes = { { key = 1, value = 10 } }, lower = { { key = 1, value = "\0\1" } } } }
    local back = assert(manifest.read(manifest.write({ entry }, metadata.schema(table_of()), marker)))
    assert.are.equal(1, #back)
    assert.are.equal(1 << 60, back[1].snapshot_id)
    assert.is_nil(back[1].sequence)
    assert.are.same({ { key = 1, value = "\0\1" } }, back[1].file.lower)
    assert.are.equal("file:///x.parquet", back[1].file.path)
  end)

  it("reads back a manifest list", function()
    local m = { path = "file:///m.avro", length = 10, sequence = 3, min_sequence = 2, snapshot_id = 7, added_files = 1,
      existing_files = 2, deleted_files = 3,
      added_rows = 4, existing_rows = 5, deleted_rows = 6, spec_id = 0, partitions = {} }
    local back = assert(manifest.read_list(manifest.write_list({ m }, { id = 7, sequence = 3 }, marker)))
    assert.are.same({ m }, back)
  end)

  it("refuses what is not a manifest", function()
    local _, err = manifest.read("PAR1")
    assert.matches("not an Avro", err.message)
  end)
end)
