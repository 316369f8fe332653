-- The version of the program: what /health, /openapi.json and `sewing version` say.
return { number = "0.2.0" }
