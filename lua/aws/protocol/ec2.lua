-- EC2's dialect of the query protocol: names begin with a capital, lists are always flat, no result wrapper.
local query = require "aws.protocol.query"

return { serialize = query.serialize_ec2, parse = query.parse }
