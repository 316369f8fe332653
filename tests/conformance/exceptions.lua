-- Cases that do not pass, by suite, each with the reason. A case that passes again is told by ./sewing conformance --verbose.
return {
  endpoints = {
    ["aws-c-sdkutils/local-region-override.json"] = "published without the rule set that it tests",
    ["botocore/local-region-override.json"] = "published without the rule set that it tests",
  },
}
