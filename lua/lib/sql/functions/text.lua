-- Functions on text and bytes.

local code = require("lib.sql.translate.code")
local macros = require("lib.sql.macros")
local registry = require("lib.sql.functions.registry")
local types = require("lib.sql.types")

macros.add {
  { "split_part(s, d, n)", "CASE WHEN n < 1 THEN error('Index must be greater than zero') WHEN d = '' THEN CASE WHEN n <= length(s) THEN "
    .. "substr(s, n, 1) END ELSE list_extract(string_split(s, d), n) END" },
  { "split_part_or_null(s, d, n)", "CASE WHEN n < 1 THEN NULL WHEN d = '' THEN CASE WHEN n <= length(s) THEN substr(s, n, 1) END "
    .. "ELSE list_extract(string_split(s, d), n) END" },
  { "split_limit(s, d, n)", "CASE WHEN len(string_split(s, d)) <= n THEN string_split(s, d) ELSE "
    .. "list_append(list_slice(string_split(s, d), 1, n - 1), "
    .. "array_to_string(list_slice(string_split(s, d), n, len(string_split(s, d))), d)) END" },
  { "substr2(s, f)", "CASE WHEN f > 0 THEN substr(s, f) WHEN f = 0 OR -f > length(s) THEN CASE WHEN s IS NULL THEN NULL ELSE '' END "
    .. "ELSE substr(s, length(s) + f + 1) END" },
  { "substr3(s, f, n)", "CASE WHEN n <= 0 THEN CASE WHEN s IS NULL OR f IS NULL THEN NULL ELSE '' END WHEN f > 0 THEN substr(s, f, "
    .. "n) WHEN f = 0 OR -f > length(s) "
    .. "THEN CASE WHEN s IS NULL OR n IS NULL THEN NULL ELSE '' END ELSE substr(s, length(s) + f + 1, n) END" },
  { "pad(s, n, p)", "CASE WHEN length(p) = 0 THEN error('Padding string must not be empty') WHEN n < 0 THEN error('Target length "
    .. "must be in the range [0..2147483647]') ELSE p END" },
  { "strpos3(s, p, n)", "CASE WHEN n <= 0 THEN error('''instance'' must be a positive or negative number.') WHEN len(string_split(s, "
    .. "p)) <= n THEN 0 "
    .. "ELSE length(array_to_string(list_slice(string_split(s, p), 1, n), p)) + 1 END" },
  { "hamming(a, b)", "CASE WHEN length(a) <> length(b) THEN error('The input strings to hamming_distance function must have the same "
    .. "length') ELSE "
    .. "CASE WHEN a = '' THEN 0 ELSE hamming(a, b) END END" },
  { "title(s)", "s" },
  { "from_utf8(b)", "decode(b)" },
}

-- text of the padded kind ends in blanks that count only for char
-- A column whose first and last letter are no white space is itself: two comparisons instead of a search, which is what
-- most values cost. Anything but a plain column would be computed three times.
local function is_column(piece) return code.render(piece):find('^"[^"]+"%."[^"]+"$') ~= nil end

local function trimmer(fn)
  return function(self, args, node)
    if #args == 2 then return code.fill(fn .. "($1, $2)", args) end
    -- without a list Trino strips all white space
    local piece = code.fill(fn .. "($1, chr(32) || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))", args)
    if fn == "trim" and is_column(args[1]) then
      piece = code.fill("CASE WHEN $1 > '!' AND $1[-1] > ' ' THEN $1 ELSE $2 END", { args[1], piece })
    end
    return self and node and piece
  end
end

local function concat(self, args, node)
  if #args < 2 then self:fault(node.pos, "INVALID_FUNCTION_ARGUMENT", "There must be two or more concatenation arguments to function "
    .. "concat") end
  return self:concatenate(args, node)
end

-- concat_ws(sep, a, b, ...) skips NULL, concat_ws(sep, array) too
local function concat_ws(_, args)
  if #args == 2 and args[2].type.name == "array" then
    return code.fill("CASE WHEN $1 IS NOT NULL AND $2 IS NOT NULL THEN coalesce(array_to_string($2, $1), '') END", args)
  end
  return code.fill("concat_ws($*)", args)
end

registry.scalars {
  { "lower", "s", "=1", "lower($1)" },
  { "upper", "s", "=1", "upper($1)" },
  { "length", "s", "bigint", "length($1)" },
  { "length", "B", "bigint", "octet_length($1)" },
  { "trim", "ss?", "varchar", trimmer("trim") },
  { "ltrim", "ss?", "varchar", trimmer("ltrim") },
  { "rtrim", "ss?", "varchar", trimmer("rtrim") },
  { "concat", "x+", "varchar", concat },
  { "concat_ws", "sx+", "varchar", concat_ws },
  { "replace", "sss?", "varchar", function(_, args) return code.fill(#args == 2 and "replace($1, $2, '')" or "replace($1, $2, $3)",
    args) end },
  { "reverse", "s", "=1", "reverse($1)" },
  { "substr", "si", "varchar", "trino.substr2($1, $2)" },
  { "substr", "sii", "varchar", "trino.substr3($1, $2, $3)" },
  { "strpos", "ss", "bigint", "strpos($1, $2)" },
  { "strpos", "ssi", "bigint", "trino.strpos3($1, $2, $3)" },
  { "split", "ss", "array(varchar)", "string_split($1, $2)" },
  { "split", "ssi", "array(varchar)", "trino.split_limit($1, $2, $3)" },
  { "split_part", "ssi", "varchar", "trino.split_part($1, $2, CAST($3 AS INTEGER))", try = "trino.split_part_or_null($1, $2, CAST($3 "
    .. "AS INTEGER))" },
  { "lpad", "sis", "varchar", "lpad($1, CAST($2 AS INTEGER), trino.pad($1, $2, $3))", try = "lpad($1, CAST($2 AS INTEGER), $3)" },
  { "rpad", "sis", "varchar", "rpad($1, CAST($2 AS INTEGER), trino.pad($1, $2, $3))", try = "rpad($1, CAST($2 AS INTEGER), $3)" },
  { "starts_with", "ss", "boolean", "starts_with($1, $2)" },
  { "ends_with", "ss", "boolean", "ends_with($1, $2)" },
  { "chr", "i", "varchar(1)", "chr(CAST($1 AS INTEGER))" },
  { "codepoint", "s", "integer", "unicode($1)" },
  { "translate", "sss", "varchar", "translate($1, $2, $3)" },
  { "levenshtein_distance", "ss", "bigint", "levenshtein($1, $2)" },
  { "hamming_distance", "ss", "bigint", "trino.hamming($1, $2)", try = "hamming($1, $2)" },
  { "to_utf8", "s", "varbinary", "encode($1)" },
  { "from_utf8", "B", "varchar", "decode($1)" },
  { "to_hex", "B", "varchar", "to_hex($1)" },
  { "from_hex", "y", "varbinary", "from_hex(CAST($1 AS VARCHAR))" },
  { "to_base64", "B", "varchar", "to_base64($1)" },
  { "from_base64", "y", "varbinary", "from_base64(CAST($1 AS VARCHAR))" },
  { "md5", "B", "varbinary", "from_hex(md5($1))" },
  { "sha1", "B", "varbinary", "from_hex(sha1($1))" },
  { "sha256", "B", "varbinary", "from_hex(sha256($1))" },
  { "normalize", "ss?", "varchar", function(self, args, node)
    local form = args[2] and node.args[2].value or "NFC"
    if form ~= "NFC" then self:unsupported(node.pos, "normalize with the form " .. form) end
    return code.fill("nfc_normalize($1)", args)
  end },
  { "url_encode", "s", "varchar", "replace(replace(url_encode($1), '%20', '+'), '%2A', '*')" },
  { "url_decode", "s", "varchar", "url_decode(replace($1, '+', ' '))" },
  { "uuid", "", "uuid", "uuid()" },
  { "typeof", "x", "varchar", function(self, args, node) return self:literal_text(node.pos, types.text(args[1].type)) end },
}
registry.alias("scalar", { substring = "substr" })

-- Regular expressions: RE2 on our side, Java's on theirs. What RE2 lacks is refused when the pattern is in the statement.
local function pattern_checked(template)
  return function(self, args, node)
    local pattern = node.args[2]
    if pattern and pattern.kind == "string" then
      local lookaround = pattern.value:match("%(%?<?[=!]")
      if lookaround then self:unsupported(pattern.pos, "look-around in a regular expression: " .. lookaround) end
      if pattern.value:find("\\[1-9]") then self:unsupported(pattern.pos, "a back-reference in a regular expression") end
    end
    return code.fill(type(template) == "function" and template(self, args, node) or template, args)
  end
end

-- $1 and \$ of Java's replacement -> \1 and $ of RE2
local function java_replacement(text)
  local out, i = {}, 1
  while i <= #text do
    local c = text:sub(i, i)
    local digits = c == "$" and text:match("^%d", i + 1)
    if c == "\\" then
      local following = text:sub(i + 1, i + 1)
      out[#out + 1] = following == "\\" and "\\\\" or following
      i = i + 2
    elseif digits then
      out[#out + 1] = "\\" .. digits
      i = i + 2
    else
      out[#out + 1] = c
      i = i + 1
    end
  end
  return table.concat(out)
end

local function regexp_replace(self, args, node)
  local replacement = node.args[3]
  if replacement and replacement.kind == "lambda" then self:unsupported(replacement.pos, "regexp_replace with a lambda") end
  if not replacement then return "regexp_replace($1, $2, '', 'g')" end
  if replacement.kind == "string" then
    args[3] = self:literal_text(replacement.pos, java_replacement(replacement.value))
  else
    args[3] = code.fill("regexp_replace($1, '\\$$(\\d)', '\\\\\\1', 'g')", { args[3] })
  end
  return "regexp_replace($1, $2, $3, 'g')"
end

registry.scalars {
  { "regexp_like", "ss", "boolean", pattern_checked("regexp_matches($1, $2)") },
  { "regexp_extract", "ssi?", "varchar", pattern_checked(function(_, args)
    return #args == 2 and "CASE WHEN regexp_matches($1, $2) THEN regexp_extract($1, $2) END"
      or "CASE WHEN regexp_matches($1, $2) THEN list_extract(regexp_extract_all($1, $2, CAST($3 AS INTEGER)), 1) END"
  end) },
  { "regexp_extract_all", "ssi?", "array(varchar)", pattern_checked(function(_, args)
    return #args == 2 and "regexp_extract_all($1, $2)" or "regexp_extract_all($1, $2, CAST($3 AS INTEGER))"
  end) },
  { "regexp_replace", "sss?", "varchar", pattern_checked(regexp_replace) },
  { "regexp_split", "ss", "array(varchar)", pattern_checked("string_split_regex($1, $2)") },
  { "regexp_count", "ss", "bigint", pattern_checked("len(regexp_extract_all($1, $2))") },
}
