---@meta sm.xml
-- XML as tables, read by expat. A document type is refused: no entities but the five of XML, nothing outside the text.

---@class sm.xml
local xml = {}

---@class sm.xml.Node
---@field name string        without its prefix
---@field prefix string?
---@field text string?       always there for an element without children; the text pieces of the element itself, joined
---@field attributes table<string, string>?  names as written: "xsi:type", "xmlns"
---@field [integer] sm.xml.Node  the children in order

---Reads a whole document, at most 200 levels deep, in any encoding that it declares and expat knows; the result is UTF-8.
---@param text string
---@return sm.xml.Node? root
---@return string? message with line and column
---@return string? code "invalid", "refused" (a document type), "limit"
function xml.parse(text) end

return xml
