-- Writes XML: pieces are added to a list and joined at the end. Reading is sm.xml's.
local M = {}

local TEXT <const> = {
  ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ["\r"] = "&#xD;", ["\n"] = "&#xA;",
}
local ATTRIBUTE <const> = {
  ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["\r"] = "&#xD;", ["\n"] = "&#xA;", ["\t"] = "&#x9;",
}
-- Line ends of Unicode, which a reader may fold as it folds \r and \n.
local NEL <const>, LINE_SEPARATOR <const> = "\u{85}", "\u{2028}"

---@param text string
---@return string
function M.escape(text)
  if text:find "[&<>\r\n]" then text = text:gsub("[&<>\r\n]", TEXT) end
  if text:find("\xC2\x85", 1, true) then text = text:gsub(NEL, "&#x85;") end
  if text:find("\xE2\x80\xA8", 1, true) then text = text:gsub(LINE_SEPARATOR, "&#x2028;") end
  return text
end

---@param text string
---@return string
function M.escape_attribute(text) return (text:gsub('[&<>"\r\n\t]', ATTRIBUTE)) end

-- "<name a="b">"; attributes as a list of { name, value }, or absent.
---@param out string[]
---@param name string
---@param attributes table[]?
function M.open(out, name, attributes)
  out[#out + 1] = "<" .. name
  for _, attribute in ipairs(attributes or {}) do
    out[#out + 1] = (' %s="%s"'):format(attribute[1], M.escape_attribute(attribute[2]))
  end
  out[#out + 1] = ">"
end

---@param out string[]
---@param name string
function M.close(out, name) out[#out + 1] = "</" .. name .. ">" end

return M
