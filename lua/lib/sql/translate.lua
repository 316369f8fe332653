-- Trees of the dialect -> SQL for the engine. Nothing of the user's text reaches the engine as it is: every name is
-- resolved, every function comes from the list in functions/, every table from ctx.table.

local Translator = require("lib.sql.translate.translator")
local code = require("lib.sql.translate.code")
local engine_error = require("lib.sql.engine_error")
local parser = require("lib.sql.parser")
local types = require("lib.sql.types")
local write = require("lib.sql.translate.write")
require("lib.sql.translate.expression")
require("lib.sql.translate.operators")
require("lib.sql.translate.literal")
require("lib.sql.translate.cast")
require("lib.sql.translate.call")
require("lib.sql.translate.relation")
require("lib.sql.translate.select")
require("lib.sql.translate.query")
require("lib.sql.functions.text")
require("lib.sql.functions.math")
require("lib.sql.functions.temporal")
require("lib.sql.functions.aggregate")
require("lib.sql.functions.collection")

require("lib.sql.functions.json").add_rules(Translator)
require("lib.sql.functions.binary")
require("lib.sql.functions.more_text")
require("lib.sql.functions.more_collection")

Translator.parse_expression = parser.expression

local M = {}

---@param tree table   a query
---@param ctx table    {database, parameters?, table = function(ref) -> {sql, columns} | nil, err}
---@return table? {sql, columns = {{name, type}}, tables, map}, Error? err
function M.query(tree, ctx)
  return Translator.run(tree, ctx, function(translator)
    if tree.kind ~= "query" then translator:unsupported(tree.pos, "a statement that is not a query") end
    local piece, columns = translator:query(tree, nil, { top = true })
    local text, map = code.render(piece)
    local shown = {}
    for i, column in ipairs(columns) do
      shown[i] = { name = column.name, type = not types.has_any(column.type) and types.text(column.type) or nil }
    end
    if columns.open then shown = {} end
    return { sql = text, columns = shown, tables = translator.tables, map = map, text = tree.text }
  end)
end

M.write = write.plan
M.engine_error = engine_error.explain

return M
