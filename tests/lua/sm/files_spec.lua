-- sm.files: the file system for scripts.
local files = require "sm.files"
local task = require "sm.task"

describe("sm.files", function()
  local dir

  before_each(function()
    dir = assert(files.temp_dir())
  end)

  after_each(function()
    assert(files.remove_tree(dir))
  end)

  local function at(name)
    return dir .. "/" .. name
  end

  it("reads back what write, write_atomic and append stored, byte for byte", function()
    local bytes = {}
    for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
    local all = table.concat(bytes)
    assert.is_true(files.write(at "a", all))
    assert.are.equal(all, files.read(at "a"))
    assert.is_true(files.append(at "a", "more"))
    assert.are.equal(all .. "more", files.read(at "a"))
    assert.is_true(files.write_atomic(at "a", ""))
    assert.are.equal("", files.read(at "a"))
  end)

  it("answers nil, a message with the path, and a code when the world says no", function()
    local value, message, code = files.read(at "missing")
    assert.is_nil(value)
    assert.matches("missing: No such file", message)
    assert.are.equal("not_found", code)
    assert(files.write(at "file", "x"))
    assert.are.equal("exists", select(3, files.link(at "file", at "file")))
    assert(files.mkdir(at "d/e"))
    assert.are.equal("conflict", select(3, files.remove(at "d")))
    assert.are.equal("limit", select(3, files.read("/dev/zero", 1000)))
  end)

  it("raises for wrong arguments", function()
    assert.has_error(function() files.read() end)
    assert.has_error(function() files.read("") end)
    assert.error_matches(function() files.read("a\0b") end, "no NUL byte")
    assert.error_matches(function() files.open(at "x", "q") end, "invalid option")
  end)

  it("lists sorted entries with type, size and time", function()
    assert(files.mkdir(at "b"))
    assert(files.write(at "a", "12345"))
    local list = assert(files.list(dir))
    assert.are.equal(2, #list)
    assert.are.same({ "a", "file", 5 }, { list[1].name, list[1].type, list[1].size })
    assert.are.same({ "b", "dir" }, { list[2].name, list[2].type })
    local stat = assert(files.stat(at "a"))
    assert.are.equal(stat.mtime, list[1].mtime)
    assert.is_true(math.abs(stat.mtime - require("sm.time").now()) < 60)
  end)

  it("walks files at any depth and gives paths below the folder", function()
    assert(files.mkdir(at "x/y/z"))
    for _, name in ipairs { "x/y/z/1", "x/2", "3" } do assert(files.write(at(name), name)) end
    local names = {}
    for _, entry in ipairs(assert(files.walk(dir))) do names[#names + 1] = entry.name end
    assert.are.same({ "3", "x/2", "x/y/z/1" }, names)
  end)

  it("tells whether something is there", function()
    assert.is_false(files.exists(at "a"))
    assert(files.write(at "a", ""))
    assert.is_true(files.exists(at "a"))
    assert.is_false(files.exists(at "a/b"))
  end)

  it("keeps a file open while a call is under way, and refuses a closed handle", function()
    local f = assert(files.open(at "f", "rw"))
    assert.is_true(f:write("0123456789"))
    assert.are.equal("345", f:pread(3, 3))
    assert.are.equal("89", f:pread(8, 100))
    assert.is_nil(f:pread(10, 1))
    assert.are.equal(10, f:size())
    assert.is_true(f:sync())
    assert.is_true(f:close())
    assert.is_true(f:close())
    assert.error_matches(function() f:size() end, "closed")
  end)

  it("reads piece by piece to the end", function()
    assert(files.write(at "f", "abcdefg"))
    local f <close> = assert(files.open(at "f"))
    local pieces = {}
    for piece in function() return f:read(3) end do pieces[#pieces + 1] = piece end
    assert.are.same({ "abc", "def", "g" }, pieces)
    assert.are.equal("", f:read(0))
  end)

  it("locks once and says who holds it", function()
    local first = assert(files.lock(at "lock"))
    local second, message, code = files.lock(at "lock")
    assert.is_nil(second)
    assert.are.equal("conflict", code)
    assert.matches("is locked by process %d+", message)
    first:close()
    local third <close> = assert(files.lock(at "lock"))
    assert.is_truthy(third)
  end)

  it("lets other tasks run while it waits", function()
    local order = {}
    local results = assert(task.parallel {
      function()
        for i = 1, 20 do assert(files.write(at "one", tostring(i))) end
        order[#order + 1] = "writes"
        return "a"
      end,
      function()
        order[#order + 1] = "other"
        return "b"
      end,
    })
    assert.are.same({ "other", "writes" }, order)
    assert.are.same({ "a", "b" }, { results[1], results[2] })
  end)

  it("survives the cancellation of a task that waits for the disk", function()
    local waiting = {}
    for i = 1, 50 do
      waiting[i] = task.spawn(function()
        while true do assert(files.write_atomic(at("w" .. i), ("x"):rep(1000))) end
      end)
    end
    task.sleep(0.02)
    for _, t in ipairs(waiting) do t:cancel("enough") end
    for _, t in ipairs(waiting) do
      t:join()
      assert.are.equal("cancelled", t:status())
    end
    -- what a worker had begun still ends: the folder can be removed once the last of them is through
    for _ = 1, 400 do
      if files.remove_tree(dir) then break end
      task.sleep(0.005)
    end
    assert.is_false(files.exists(dir))
  end)

  it("copies, renames and resolves links", function()
    assert(files.write(at "a", "content"))
    assert(files.copy(at "a", at "b"))
    assert(files.rename(at "b", at "c"))
    assert.are.equal("content", files.read(at "c"))
    assert.are.equal(files.realpath(dir) .. "/c", files.realpath(dir .. "/./c"))
    assert.are.equal("not_found", select(3, files.realpath(at "b")))
    assert.is_true(files.sync_dir(dir))
  end)

  it("knows the environment and the working folder", function()
    assert.are.equal(os.getenv "PATH", files.env "PATH")
    assert.is_nil(files.env "SM_SURELY_NOT_SET")
    assert.are.equal("/", files.cwd():sub(1, 1))
  end)
end)
