-- Takes the names of local variables and upvalues out of bytecode of Lua 5.4: a fifth of it, and all they do is to be
-- named in some error messages. Everything else is copied as it stands, line numbers too.
local SIGNATURE <const>, HEADER_BYTES <const> = "\27Lua\x54\0\x19\x93\r\n\x1a\n\4\8\8", 4 + 1 + 1 + 6 + 3 + 8 + 8
local WIDTH <const> = { [0x00] = 0, [0x01] = 0, [0x11] = 0, [0x03] = 8, [0x13] = 8 } -- of constants: nil, booleans, numbers

---@param code string
---@return string
return function(code)
  assert(code:sub(1, #SIGNATURE) == SIGNATURE, "not the bytecode that this file knows")
  local at, copied, out = 1, 1, {}

  local function skip(bytes) at = at + bytes end
  local function byte()
    at = at + 1
    return code:byte(at - 1)
  end
  local function number() -- seven bits a byte, the last one marked
    local value = 0
    while true do
      local b = byte()
      value = value << 7 | b & 0x7f
      if b >= 0x80 then return value end
    end
  end
  local function text()
    local size = number()
    if size > 0 then skip(size - 1) end
  end
  local function constants()
    for _ = 1, number() do
      local width = WIDTH[byte()]
      if width then skip(width) else text() end
    end
  end

  local function debug_information()
    skip(number()) -- lines
    for _ = 1, number() do
      number()
      number()
    end
    out[#out + 1] = code:sub(copied, at - 1)
    for _ = 1, number() do -- local variables: name, first and last instruction
      text()
      number()
      number()
    end
    for _ = 1, number() do text() end
    out[#out + 1], copied = "\x80\x80", at -- none of either
  end

  local function prototype()
    text()
    number()
    number()
    skip(3) -- parameters, varargs, registers
    skip(4 * number())
    constants()
    skip(3 * number()) -- upvalues
    for _ = 1, number() do prototype() end
    debug_information()
  end

  skip(HEADER_BYTES + 1)
  prototype()
  assert(at == #code + 1, "bytes are left over")
  out[#out + 1] = code:sub(copied)
  return table.concat(out)
end
