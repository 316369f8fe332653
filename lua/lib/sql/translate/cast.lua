-- CAST and TRY_CAST with Trino's text forms, rounding and strictness.

local Translator = require("lib.sql.translate.translator")
local code = require("lib.sql.translate.code")
local names = require("lib.sql.names")
local types = require("lib.sql.types")

local new = code.new
local rules = Translator.expression_rules

local function plain(piece, t, pos, try)
  return new(pos, t, try and "TRY_CAST(" or "CAST(", piece, " AS ", types.engine(t), ")")
end

-- To text ----------------------------------------------------------------------------------------------------------

local fraction_format = { [0] = "", [3] = ".%g", [6] = ".%f", [9] = ".%n" }

-- A local timestamp as text with the digits of its precision.
local function timestamp_text(piece, precision)
  local day = "%Y-%m-%d %H:%M:%S"
  local exact = fraction_format[precision]
  if exact then return new(piece.pos, types.varchar, "strftime(", piece, ", '", day, exact, "')") end
  local format = precision < 6 and ".%f" or ".%n"
  return new(piece.pos, types.varchar, "left(strftime(", piece, ", '", day, format, ("'), %d)"):format(20 + precision))
end

local to_text = {}
function to_text.real(piece) return code.fill("trino.double_text($1)", { piece }) end
to_text.double = to_text.real
function to_text.timestamp(piece) return timestamp_text(piece, piece.type.precision) end
function to_text.time(piece)
  local moment = new(piece.pos, nil, "(DATE '2000-01-01' + ", piece, ")")
  return new(piece.pos, nil, "substr(", timestamp_text(moment, piece.type.precision), ", 12)")
end
to_text["timestamp with time zone"] = function(piece, self)
  local text = timestamp_text(self:local_timestamp(piece), piece.type.precision)
  return new(piece.pos, nil, "(", text, " || ", code.quote_text(" " .. (piece.type.zone or "UTC")), ")")
end
function to_text.json(piece) return code.fill("json_extract_string($1, '$$')", { piece }) end
to_text["interval day to second"] = function(piece) return code.fill("trino.day_interval_text($1)", { piece }) end
to_text["interval year to month"] = function(piece) return code.fill("trino.year_interval_text($1)", { piece }) end
function to_text.varchar(piece) return piece end
to_text.char = to_text.varchar
function to_text.varbinary(piece) return code.fill("decode($1)", { piece }) end
for name in pairs { array = 1, map = 1, row = 1 } do
  to_text[name] = function(piece, self, pos)
    self:mismatch(pos, ("Cannot cast %s to varchar"):format(types.text(piece.type)))
  end
end

local function text_cast(self, piece, t, pos, try)
  local from = piece.type
  local make = to_text[from.name]
  local text = make and make(piece, self, pos) or plain(piece, types.varchar, pos, try)
  if t.name == "char" then
    return new(pos, t, "rpad(left(", text, (", %d), %d, ' ')"):format(t.length, t.length))
  end
  if not t.length or (from.name == "varchar" and from.length and from.length <= t.length) then return new(pos, t, text) end
  if types.is_text(from) then return new(pos, t, "left(", text, (", %d)"):format(t.length)) end
  if try then return new(pos, t, "trino.fit_or_null(", text, (", %d)"):format(t.length)) end
  return new(pos, t, "trino.fit(", text, (", %d)"):format(t.length))
end

-- From text: the engine is more generous than Trino, so the form is checked first ------------------------------------

local form_of = {
  tinyint = "whole", smallint = "whole", integer = "whole", bigint = "whole", date = "date", timestamp = "timestamp",
  ["timestamp with time zone"] = "timestamp_tz", time = "time", real = "float", double = "float", decimal = "float",
  boolean = "boolean",
}

local function from_text(piece, t, pos, try)
  local form = form_of[t.name]
  if not form then return plain(piece, t, pos, try) end
  local checked = new(piece.pos, types.varchar, ("trino.%s_form%s("):format(form, try and "_or_null" or ""), piece,
    try and ")" or (", %s)"):format(code.quote_text(types.text(t))))
  return plain(checked, t, pos, try)
end

-- Everything else --------------------------------------------------------------------------------------------------

local function lower_digits(piece, t, pos)
  if t.precision == 0 then return new(pos, t, "CAST(CAST(", piece, " AS TIMESTAMP_S) AS TIMESTAMP)") end
  if t.precision == 3 then return new(pos, t, "CAST(CAST(", piece, " AS TIMESTAMP_MS) AS TIMESTAMP)") end
  local unit = math.tointeger(10 ^ (6 - t.precision))
  return new(pos, t, "make_timestamp(CAST(round(epoch_us(", piece, (") / %d.0e0) AS BIGINT) * %d)"):format(unit, unit))
end

local function to_timestamp(self, piece, t, pos, try)
  local from = piece.type
  if from.name == "timestamp with time zone" then
    piece = self:local_timestamp(piece)
    from = piece.type
  end
  if from.name == "timestamp" and t.precision < from.precision and t.precision < 6 then return lower_digits(piece, t, pos) end
  if from.name == "timestamp" and types.engine(from) == types.engine(t) then return new(pos, t, piece) end
  if from.name == "time" then return new(pos, t, "(CAST(trino.now() AS DATE) + ", piece, ")") end
  return plain(piece, t, pos, try)
end

local function to_whole(piece, t, pos, try)
  if types.is_float(piece.type) then piece = new(piece.pos, piece.type, "round(", piece, ")") end
  return plain(piece, t, pos, try)
end

local function is_same_in_engine(from, to)
  return types.engine(from) == types.engine(to) and from.name ~= "timestamp"
end

local function array_cast(self, piece, t, pos, try)
  local from = piece.type
  if from.element.name == "unknown" or is_same_in_engine(from, t) then return plain(piece, t, pos, try) end
  local name = self:unique_name("e")
  local element = self:cast(new(piece.pos, from.element, names.quote(name)), t.element, pos, try)
  return new(pos, t, "list_transform(", piece, ", lambda ", names.quote(name), ": ", element, ")")
end

local function map_cast(self, piece, t, pos, try)
  local from = piece.type
  if from.key.name == "unknown" or is_same_in_engine(from, t) then return plain(piece, t, pos, try) end
  local keys = array_cast(self, new(pos, types.array(from.key), "map_keys(", piece, ")"), types.array(t.key), pos, try)
  local values = array_cast(self, new(pos, types.array(from.value), "map_values(", piece, ")"), types.array(t.value), pos, try)
  return new(pos, t, "CASE WHEN ", piece, " IS NOT NULL THEN map(", keys, ", ", values, ") END")
end

local function row_cast(self, piece, t, pos, try)
  local from = piece.type
  if #from.fields ~= #t.fields then
    self:mismatch(pos, ("Cannot cast %s to %s"):format(types.text(from), types.text(t)))
  end
  if is_same_in_engine(from, t) then return new(pos, t, piece) end
  local name = self:unique_name("r")
  local whole = names.quote(name)
  local parts = {}
  for i, field in ipairs(t.fields) do
    local source = from.fields[i]
    local part = new(piece.pos, source.type, "struct_extract(", whole, ", ", code.quote_text(types.field_name(source, i)), ")")
    parts[i] = new(nil, nil, names.quote(types.field_name(field, i)), " := ", self:cast(part, field.type, pos, try))
  end
  return new(pos, t, "list_transform([", piece, "], lambda ", whole, ": CASE WHEN ", whole, " IS NOT NULL THEN struct_pack(",
    code.join(parts, ", "), ") END)[1]")
end

local function to_json(self, piece, pos)
  local from = piece.type
  if from.name == "timestamp" or from.name == "timestamp with time zone" then
    return new(pos, types.json, "to_json(", self:cast(piece, types.varchar, pos), ")")
  end
  return new(pos, types.json, "to_json(", piece, ")")
end

local function from_json(piece, t, pos, try)
  local from_scalar = types.is_number(t) or t.name == "boolean" or types.is_temporal(t)
  if from_scalar then
    local text = new(piece.pos, types.varchar, "json_extract_string(", piece, ", '$')")
    if types.is_whole(t) then text = new(piece.pos, types.double, "round(CAST(", text, " AS DECIMAL(38,10)))") end
    return plain(text, t, pos, try)
  end
  return plain(piece, t, pos, try)
end

local castable_to_number = { boolean = true, json = true, varchar = true, char = true, unknown = true }

local function check(self, from, t, pos)
  local bad = false
  if types.is_number(t) then bad = not (types.is_number(from) or castable_to_number[from.name]) end
  if t.name == "date" or types.is_timestamp(t) then
    bad = not (types.is_temporal(from) or types.is_text(from) or from.name == "unknown" or from.name == "json")
  end
  if t.name == "array" or t.name == "map" or t.name == "row" then
    bad = not (from.name == t.name or from.name == "unknown" or from.name == "json")
  end
  if bad then self:mismatch(pos, ("Cannot cast %s to %s"):format(types.text(from), types.text(t))) end
end

---@param piece SqlCode
---@param t SqlType
---@param pos integer?
---@param try boolean?
---@return SqlCode
function Translator:cast(piece, t, pos, try)
  local from = piece.type
  if from.name == "any" then
    if not t.length then return plain(piece, t, pos, try) end
    return text_cast(self, plain(piece, types.varchar, pos, try), t, pos, try)
  end
  check(self, from, t, pos)
  if from.name == "unknown" then return plain(piece, t, pos, false) end
  if types.is_text(t) then return text_cast(self, piece, t, pos, try) end
  if t.name == "json" then return from.name == "json" and new(pos, t, piece) or to_json(self, piece, pos) end
  if from.name == "json" then return from_json(piece, t, pos, try) end
  if types.is_text(from) then return from_text(piece, t, pos, try) end
  if t.name == "timestamp" then return to_timestamp(self, piece, t, pos, try) end
  if from.name == "timestamp with time zone" then
    if t.name == "timestamp with time zone" then return new(pos, types.timestamp_tz(t.precision, from.zone), piece) end
    return plain(self:local_timestamp(piece), t, pos, try)
  end
  if t.name == "timestamp with time zone" then
    return new(pos, types.timestamp_tz(t.precision, "UTC"), "(CAST(", piece, " AS TIMESTAMP) AT TIME ZONE 'UTC')")
  end
  if types.is_whole(t) then return to_whole(piece, t, pos, try) end
  if t.name == "array" then return array_cast(self, piece, t, pos, try) end
  if t.name == "map" then return map_cast(self, piece, t, pos, try) end
  if t.name == "row" then return row_cast(self, piece, t, pos, try) end
  return plain(piece, t, pos, try)
end

function rules.cast(self, node, scope)
  local operand = node.operand
  -- ROW(...) cast field by field
  if operand.kind == "row" and node.target.name == "row" and #operand.items == #node.target.fields then
    local parts, field_names = {}, {}
    for i, item in ipairs(operand.items) do
      local field = node.target.fields[i]
      parts[i] = self:cast(self:expr(item, scope), field.type, item.pos, node.try)
      field_names[i] = field.name
    end
    local row = self:make_row(parts, field_names, node.pos)
    row.type = node.target
    return row
  end
  return self:cast(self:expr(operand, scope), node.target, node.pos, node.try or self.in_try)
end

return Translator
