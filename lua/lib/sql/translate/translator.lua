-- One translation: what the caller said about tables and parameters, the names in scope, and errors with positions.
-- The other files of translate/ add their rules as methods, so that they can call each other.

local code = require("lib.sql.translate.code")
local errors = require("lib.errors")
local lexer = require("lib.sql.lexer")
local suggest = require("lib.suggest")
local types = require("lib.sql.types")

local Translator = {}
Translator.__index = Translator

---@param tree table   what parse gave
---@param ctx table    {database, parameters, table = function(ref)}
function Translator.new(tree, ctx)
  return setmetatable({
    tree = tree, ctx = ctx, position = lexer.positions(tree.text or ""), names_used = {}, -- alias -> the last number given to one like it
    named_queries = nil, tables = {},
    today = ctx.now,
  }, Translator)
end

-- Errors travel as raised tables inside of a translation; the entry point makes them values.
local function raise(err) error({ sql_error = err }, 0) end

function Translator:where(pos)
  local line, column = self.position(pos or 1)
  return line, column
end

-- Something the translator does not know.
function Translator:unsupported(pos, what)
  local line, column = self:where(pos)
  raise(errors.new("NotSupported", ("line %d:%d: %s is not supported"):format(line, column, what),
    { line = line, column = column, offset = pos }))
end

-- A fault of the statement, in Athena's words: CODE: line L:C: text.
function Translator:fault(pos, athena_code, text)
  local line, column = self:where(pos)
  raise(errors.new("QueryFailed", ("%s: line %d:%d: %s"):format(athena_code, line, column, text),
    { athena_code = athena_code, line = line, column = column, offset = pos }))
end

function Translator:mismatch(pos, text)
  self:fault(pos, "TYPE_MISMATCH", text)
end

function Translator:did_you_mean(name, candidates) -- luacheck: no self
  local nearest = suggest.nearest(name, candidates)
  return nearest and nearest ~= name and (". Did you mean '%s'?"):format(nearest) or ""
end

-- An alias that no other relation of the statement has.
function Translator:unique_name(wanted)
  local base = wanted:lower()
  local name, count = base, self.names_used[base] or 1
  while self.names_used[name] do
    count = count + 1
    name = base .. "_" .. count
  end
  self.names_used[base] = count
  self.names_used[name] = self.names_used[name] or 1
  return name
end

-- The types of a list of pieces.
function Translator.types_of(pieces)
  local list = {}
  for i, piece in ipairs(pieces) do list[i] = piece.type end
  return list
end

function Translator:literal_text(pos, text) -- luacheck: no self
  return code.new(pos, types.varchar_of(utf8.len(text) or #text), code.quote_text(text))
end

-- Runs `work(translator)`; raised translation errors become nil, err.
function Translator.run(tree, ctx, work)
  local translator = Translator.new(tree, ctx)
  local ok, result = pcall(work, translator)
  if ok then return result end
  if type(result) == "table" and result.sql_error then return nil, result.sql_error end
  error(result, 0)
end

return Translator
