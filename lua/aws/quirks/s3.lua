-- S3: what its model does not say. See aws.call for when each hook runs.
local crypto = require "sm.crypto"
local failure = require "aws.failure"

local function refuse(message) return failure.refuse("validation", "ParamValidation", message) end

-- The caller's table stays as it is.
local function with(params, changes)
  local out = {}
  for name, value in pairs(params) do out[name] = value end
  for name, value in pairs(changes) do out[name] = value end
  return out
end

-- ---- buckets and their regions ----

-- A bucket may become part of a host name.
local function check_bucket(params)
  local bucket = params.Bucket
  if type(bucket) ~= "string" then return nil end
  if bucket:find "^[%w._-]+$" and #bucket <= 255 or bucket:find "^arn:" then return nil end
  return refuse(("Bucket: '%s' is no bucket name and no ARN"):format(bucket))
end

-- Where the client has learnt that the bucket lives.
local function known_region(call, params)
  local regions = call.client.shared.bucket_regions
  return regions and params.Bucket and regions[params.Bucket]
end

local REDIRECTS <const> = {
  PermanentRedirect = true, AuthorizationHeaderMalformed = true, IllegalLocationConstraintException = true, ["301"] = true, ["400"] = true,
  ["403"] = true, ["307"] = true, TemporaryRedirect = true, BadRequest = true, Forbidden = true, MovedPermanently = true,
}

-- The region that an answer names, in a header, its body or its words.
local function named_region(err, response)
  local region = response and response.headers["x-amz-bucket-region"] or type(err.members) == "table" and err.members.Region
  if not region and err.code == "IllegalLocationConstraintException" then
    region = err.message:match "^The (%l[%w-]+) location constraint is incompatible"
  end
  return type(region) == "string" and region:find "^%l[%w-]+$" and region or nil
end

-- A bucket in another region: the call goes there, and the client remembers.
local function move(err, call, response)
  if not REDIRECTS[err.code] then return false end
  local region, bucket = named_region(err, response), call.params.Bucket
  if not region or not bucket or region == call.config.region or bucket:find "^arn:" then return false end
  local shared = call.client.shared
  shared.bucket_regions = shared.bucket_regions or {}
  shared.bucket_regions[bucket] = region
  return require("aws.call").resolve(call, region) ~= nil
end

-- ---- keys of the customer ----

-- A raw SSE-C key goes out in base64 with its MD5, unless the caller has prepared both.
local function prepare_key(params, prefix, changes)
  local key = params[prefix .. "Key"]
  if type(key) ~= "string" or params[prefix .. "KeyMD5"] ~= nil then return end
  changes[prefix .. "Key"], changes[prefix .. "KeyMD5"] = crypto.base64(key), crypto.base64(crypto.md5(key))
end

-- ---- errors ----

-- HEAD is answered without a body.
local NAMES <const> = {
  ["301"] = "MovedPermanently", ["304"] = "NotModified", ["307"] = "TemporaryRedirect", ["400"] = "BadRequest", ["403"] = "Forbidden",
  ["404"] = "NotFound", ["405"] = "MethodNotAllowed", ["409"] = "Conflict", ["412"] = "PreconditionFailed",
}

local function name_error(err)
  if err.status and err.code == tostring(err.status) then err.code = NAMES[err.code] or err.code end
  return err
end

-- S3 may begin a good answer and end it with an error. It counts as one of its own (500), which is tried again.
local function hidden_error(call, response)
  local body = response.body
  if type(body) ~= "string" or not body:sub(1, 1000):find("<Error[ >]") then return nil end
  local output = call.operation.output
  local shape = output and call.model:shape(output.shape)
  local payload = shape and shape.payload and shape.by_name[shape.payload]
  if payload and (payload.type == "blob" or payload.type == "string") then return nil end
  local root = require("aws.protocol.common").parse_xml(body)
  if not root or root.name ~= "Error" then return nil end
  local _, err = call.protocol.parse(call.model, call.operation, { status = 500, headers = response.headers, body = body })
  err.retryable = true
  return err
end

-- ---- hooks ----

local function before_any(params, call)
  local _, err = check_bucket(params)
  if err then return nil, err end
  local region = known_region(call, params)
  if region then call.config.region = region end
  local changes = {}
  prepare_key(params, "SSECustomer", changes)
  prepare_key(params, "CopySourceSSECustomer", changes)
  return next(changes) and with(params, changes) or params
end

local function after_any(output, call, response)
  local err = hidden_error(call, response)
  if err then return nil, err end
  -- Any text may stand there: what is no time stays a text, and the text is always to be had.
  if output.Expires ~= nil then output.ExpiresString = response.headers.expires end
  return output
end

-- ---- listings ----

-- Control characters in keys do not survive XML, so S3 is asked to encode them; what it sends is decoded again.
local function ask_encoding(params, call)
  if params.EncodingType ~= nil then return params end
  call.decode_keys = true
  return with(params, { EncodingType = "url" })
end

local function decoded(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- `own`: names of the output; `lists`: name of a list -> name in its items.
local function decode_keys(own, lists)
  return function(output, call)
    if not call.decode_keys or output.EncodingType ~= "url" then return output end
    for _, name in ipairs(own) do
      if output[name] then output[name] = decoded(output[name]) end
    end
    for list, name in pairs(lists) do
      for _, item in ipairs(output[list] or {}) do
        if item[name] then item[name] = decoded(item[name]) end
      end
    end
    return output
  end
end

local function listing(own, lists)
  return { before_serialize = ask_encoding, after_parse = decode_keys(own, lists) }
end

-- ---- copies and metadata ----

local function encoded(text)
  return (text:gsub("[^%w%-._~/]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

-- "bucket/key?versionId=x", or { Bucket, Key, VersionId }; the key is encoded here.
local function copy_source(source)
  if type(source) == "table" then
    if type(source.Bucket) ~= "string" or type(source.Key) ~= "string" then
      return refuse("CopySource: 'Bucket' and 'Key' are required")
    end
    local text = encoded(source.Bucket .. (source.Bucket:find "^arn:" and "/object/" or "/") .. source.Key)
    return source.VersionId and text .. "?versionId=" .. source.VersionId or text
  end
  if type(source) ~= "string" then return source end
  local path, version = source:match "^(.-)(%?versionId=[^?]*)$"
  return encoded(path or source) .. (version or "")
end

local function prepare_copy(params)
  if params.CopySource == nil then return params end
  local source, err = copy_source(params.CopySource)
  if err then return nil, err end
  return with(params, { CopySource = source })
end

local function check_metadata(params)
  if type(params.Metadata) ~= "table" then return params end
  for name, value in pairs(params.Metadata) do
    if tostring(name):find "[\x80-\xff]" or tostring(value):find "[\x80-\xff]" then
      return refuse(("Metadata.%s: S3 takes ASCII only"):format(tostring(name)))
    end
  end
  return params
end

local function prepare_copy_object(params)
  local ok, err = check_metadata(params)
  if not ok then return nil, err end
  return prepare_copy(params)
end

-- The whole answer is the region; none means us-east-1.
local function bucket_location(output, _, response)
  local root = type(response.body) == "string" and require("aws.protocol.common").parse_xml(response.body)
  if root and root.text and root.text ~= "" then output.LocationConstraint = root.text end
  return output
end

return {
  ["*"] = { before_serialize = before_any, after_parse = after_any, on_error = name_error, mend = move },
  PutObject = { before_serialize = check_metadata },
  CreateMultipartUpload = { before_serialize = check_metadata },
  CopyObject = { before_serialize = prepare_copy_object },
  UploadPartCopy = { before_serialize = prepare_copy },
  GetBucketLocation = { after_parse = bucket_location },
  ListObjects = listing({ "Delimiter", "Marker", "NextMarker" }, { Contents = "Key", CommonPrefixes = "Prefix" }),
  ListObjectsV2 = listing({ "Delimiter", "Prefix", "StartAfter" }, { Contents = "Key", CommonPrefixes = "Prefix" }),
  ListObjectVersions = listing({ "KeyMarker", "NextKeyMarker", "Prefix", "Delimiter" },
    { Versions = "Key", DeleteMarkers = "Key", CommonPrefixes = "Prefix" }),
}
