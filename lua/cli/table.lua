-- Rows as a table of text. Knows that some characters are two columns wide and some none, and never lets control
-- characters through to a terminal.
local M = {}

local MIN_COLUMN <const> = 4
local GAP <const> = 2

-- Ranges of code points that take two columns: Hangul, CJK, kana, full-width forms, emoji.
local wide = { { 0x1100, 0x115F }, { 0x231A, 0x231B }, { 0x2329, 0x232A }, { 0x23E9, 0x23EC }, { 0x23F0, 0x23F0 }, { 0x23F3, 0x23F3 },
  { 0x25FD, 0x25FE }, { 0x2614, 0x2615 }, { 0x2648, 0x2653 }, { 0x267F, 0x267F }, { 0x2693, 0x2693 }, { 0x26A1, 0x26A1 }, { 0x26AA,
    0x26AB },
  { 0x26BD, 0x26BE }, { 0x26C4, 0x26C5 }, { 0x26CE, 0x26CE }, { 0x26D4, 0x26D4 }, { 0x26EA, 0x26EA }, { 0x26F2, 0x26F3 }, { 0x26F5,
    0x26F5 },
  { 0x26FA, 0x26FA }, { 0x26FD, 0x26FD }, { 0x2705, 0x2705 }, { 0x270A, 0x270B }, { 0x2728, 0x2728 }, { 0x274C, 0x274C }, { 0x274E,
    0x274E },
  { 0x2753, 0x2755 }, { 0x2757, 0x2757 }, { 0x2795, 0x2797 }, { 0x27B0, 0x27B0 }, { 0x27BF, 0x27BF }, { 0x2B1B, 0x2B1C }, { 0x2B50,
    0x2B50 },
  { 0x2B55, 0x2B55 }, { 0x2E80, 0x303E }, { 0x3041, 0x33FF }, { 0x3400, 0x4DBF }, { 0x4E00, 0x9FFF }, { 0xA000, 0xA4CF }, { 0xA960,
    0xA97F },
  { 0xAC00, 0xD7A3 }, { 0xF900, 0xFAFF }, { 0xFE10, 0xFE19 }, { 0xFE30, 0xFE6F }, { 0xFF00, 0xFF60 }, { 0xFFE0, 0xFFE6 },
  { 0x16FE0, 0x18CFF }, { 0x1AFF0, 0x1B2FF }, { 0x1F004, 0x1F004 }, { 0x1F0CF, 0x1F0CF }, { 0x1F18E, 0x1F18E }, { 0x1F191, 0x1F19A },
  { 0x1F200, 0x1F320 }, { 0x1F32D, 0x1F335 }, { 0x1F337, 0x1F37C }, { 0x1F37E, 0x1F393 }, { 0x1F3A0, 0x1F3CA }, { 0x1F3CF, 0x1F3D3 },
  { 0x1F3E0, 0x1F3F0 }, { 0x1F3F4, 0x1F3F4 }, { 0x1F3F8, 0x1F43E }, { 0x1F440, 0x1F440 }, { 0x1F442, 0x1F4FC }, { 0x1F4FF, 0x1F53D },
  { 0x1F54B, 0x1F54E }, { 0x1F550, 0x1F567 }, { 0x1F57A, 0x1F57A }, { 0x1F595, 0x1F596 }, { 0x1F5A4, 0x1F5A4 }, { 0x1F5FB, 0x1F64F },
  { 0x1F680, 0x1F6C5 }, { 0x1F6CC, 0x1F6CC }, { 0x1F6D0, 0x1F6D2 }, { 0x1F6D5, 0x1F6D7 }, { 0x1F6DC, 0x1F6DF }, { 0x1F6EB, 0x1F6EC },
  { 0x1F6F4, 0x1F6FC }, { 0x1F7E0, 0x1F7F0 }, { 0x1F90C, 0x1F93A }, { 0x1F93C, 0x1F945 }, { 0x1F947, 0x1F9FF }, { 0x1FA70, 0x1FAFF },
  { 0x20000, 0x3FFFD } }

-- Combining marks, joiners, variation selectors, direction marks.
local none = { { 0x0300, 0x036F }, { 0x0483, 0x0489 }, { 0x0591, 0x05BD }, { 0x05BF, 0x05BF }, { 0x05C1, 0x05C2 }, { 0x0610, 0x061A },
  { 0x064B, 0x065F }, { 0x0670, 0x0670 }, { 0x06D6, 0x06DC }, { 0x0E31, 0x0E31 }, { 0x0E34, 0x0E3A }, { 0x0E47, 0x0E4E }, { 0x0900,
    0x0902 },
  { 0x093C, 0x093C }, { 0x0941, 0x0948 }, { 0x094D, 0x094D }, { 0x1AB0, 0x1AFF }, { 0x1DC0, 0x1DFF }, { 0x200B, 0x200F }, { 0x202A,
    0x202E },
  { 0x2060, 0x2064 }, { 0x20D0, 0x20FF }, { 0xFE00, 0xFE0F }, { 0xFE20, 0xFE2F }, { 0xFEFF, 0xFEFF }, { 0x1F3FB, 0x1F3FF }, { 0xE0100,
    0xE01EF } }

local function within(ranges, code)
  local low, high = 1, #ranges
  while low <= high do
    local middle = (low + high) // 2
    local range = ranges[middle]
    if code < range[1] then high = middle - 1 elseif code > range[2] then low = middle + 1 else return true end
  end
  return false
end

local function code_width(code)
  if code < 0x300 then return 1 end
  if within(none, code) then return 0 end
  return within(wide, code) and 2 or 1
end

-- Columns that a text takes on a terminal. The text must be clean.
---@param s string
---@return integer
function M.width(s)
  if not s:find("[\x80-\xff]") then return #s end
  local width = 0
  for _, code in utf8.codes(s) do width = width + code_width(code) end
  return width
end

local escapes = { ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

-- A text that cannot move the cursor: control characters are shown, bytes that are not UTF-8 become "?".
---@param s string
---@return string
function M.clean(s)
  if not utf8.len(s) then s = s:gsub("[\x80-\xff]", "?") end
  s = s:gsub("[%c\x7f]", function(c) return escapes[c] or ("\\x%02x"):format(c:byte()) end)
  return (s:gsub("\u{0080}", "?"):gsub("\xc2[\x80-\x9f]", "?"))
end

-- Cuts to at most `limit` columns, with an ellipsis when something is cut away.
---@param s string
---@param limit integer
---@return string
function M.cut(s, limit)
  if M.width(s) <= limit then return s end
  local width, out = 0, {}
  for _, code in utf8.codes(s) do
    local w = code_width(code)
    if width + w > limit - 1 then break end
    width = width + w
    out[#out + 1] = utf8.char(code)
  end
  return table.concat(out) .. "…"
end

local function cell_text(value)
  if value == nil or type(value) == "userdata" then return "NULL" end
  return M.clean(tostring(value))
end

-- Narrows the widest columns until the whole fits; columns never become narrower than MIN_COLUMN.
local function fit(widths, available)
  local function total()
    local sum = GAP * (#widths - 1)
    for _, w in ipairs(widths) do sum = sum + w end
    return sum
  end
  while total() > available do
    local widest = 1
    for i, w in ipairs(widths) do
      if w > widths[widest] then widest = i end
    end
    if widths[widest] <= MIN_COLUMN then return end
    widths[widest] = widths[widest] - 1
  end
end

local function measure(header, cells, count)
  local widths = {}
  for i = 1, count do
    widths[i] = M.width(header[i])
    for _, row in ipairs(cells) do widths[i] = math.max(widths[i], M.width(row[i])) end
  end
  return widths
end

local function line_of(cells, widths, right)
  local parts = {}
  for i, width in ipairs(widths) do
    local cell = M.cut(cells[i], width)
    local padding = (" "):rep(width - M.width(cell))
    parts[i] = right[i] and padding .. cell or cell .. padding
  end
  return (table.concat(parts, (" "):rep(GAP)):gsub("%s+$", ""))
end

---@param columns string[]
---@param rows any[][]      values by column; nil and JSON null are shown as NULL
---@param options table?    width: columns of the terminal, 0 for no limit; right: column number -> true for right-aligned
---@return string           with a line end; "" without columns
function M.render(columns, rows, options)
  options = options or {}
  local count, header, cells, rule = #columns, {}, {}, {}
  if count == 0 then return "" end
  for i, name in ipairs(columns) do header[i] = cell_text(name) end
  for r, row in ipairs(rows) do
    cells[r] = {}
    for i = 1, count do cells[r][i] = cell_text(row[i]) end
  end
  local widths = measure(header, cells, count)
  if (options.width or 0) > 0 then fit(widths, options.width) end
  for i, width in ipairs(widths) do rule[i] = ("-"):rep(width) end
  local right = options.right or {}
  local lines = { line_of(header, widths, right), line_of(rule, widths, {}) }
  for _, row in ipairs(cells) do lines[#lines + 1] = line_of(row, widths, right) end
  return table.concat(lines, "\n") .. "\n"
end

return M
