-- The one list of HTTP routes. Validation, /openapi.json, CORS methods and the 405 answer are derived from it.
--
-- A route names a use case: `lua/usecases/lakehouse/<use_case>.lua` returns
--   { name, summary, input = shape.object{...}, output = shape.object{...}?, ports = {...},
--     run = function(ports, input, ctx) -> result [, outcome] | nil, err }
-- Each field of `input` comes from one place: a name in the pattern's braces from the path; a name in `headers` from
-- that header; `format` of a route with `accept` from the Accept header; all others from the query (GET, DELETE, HEAD)
-- or the JSON body (POST). Names are snake_case in code, camelCase for callers; answers are turned into camelCase.
-- `ctx` is { request_id, caller, base_url?, settings, version }.
--
-- Results that are not plain tables:
--   second result "accepted"                 the route answers 202 instead of its `status`; "degraded": 503
--   { events = function(wait_seconds) }      SSE: each call gives a list of { id, event?, data } (empty: nothing yet), nil ends
--   { stream = function() -> text | nil, err, content_type, file_name? }   a download, written as it comes
--   { file = path, size, content_type?, file_name?, etag? }                a file; ranges are answered by entry/files
--   rows_text = { JSON array texts }          becomes `rows`, spliced verbatim
--   keys below a table marked by lib/json.verbatim are left as they are; lists that `output` declares are written as []
--   when empty, and so are tables marked by lib/json.list
--
-- Fields of a route: method, pattern, use_case | built_in, status, answer (for the document), headers, accept,
--   auth = "caller" (default) | "open" | "health" (open when the setting says so) | "signature" (the storage port checks it),
--   etag = true (conditional GET), location (pattern of the Location header of a 202),
--   produces (media type of a built-in or streamed answer),
--   seconds (of work, when it may take longer than SEWING_REQUEST_SECONDS).
local M = {}

local IDEMPOTENCY = { ["idempotency-key"] = "idempotency_key" }

local DOWNLOADS = {
  ["application/json"] = "json",
  ["text/csv"] = "csv",
  ["application/x-ndjson"] = "ndjson",
  ["application/vnd.apache.parquet"] = "parquet",
}

M.list = {
  { method = "GET", pattern = "/health", use_case = "health", auth = "health", status = 200,
    answer = "The server answers. With deep=1 each port was tried." },

  { method = "POST", pattern = "/run", use_case = "run", status = 202, headers = IDEMPOTENCY, location = "/runs/{job_id}",
    answer = "A refresh has started; layers list what is there now." },
  { method = "GET", pattern = "/runs", use_case = "runs", status = 200, answer = "Refreshes, the newest first." },
  { method = "GET", pattern = "/runs/{job_id}", use_case = "run_status", status = 200, answer = "One refresh with its steps." },
  { method = "DELETE", pattern = "/runs/{job_id}", use_case = "cancel_run", status = 202,
    answer = "The refresh is being cancelled." },
  { method = "POST", pattern = "/runs/{job_id}/retry", use_case = "retry_run", status = 202,
    location = "/runs/{job_id}", answer = "The refresh goes on at its first unfinished step." },
  { method = "GET", pattern = "/runs/{job_id}/events", use_case = "run_events", status = 200, produces = "text/event-stream",
    headers = { ["last-event-id"] = "after" }, answer = "Server-sent events, one per change; resumes after Last-Event-ID." },

  { method = "POST", pattern = "/query", use_case = "query", status = 200, accept = DOWNLOADS,
    location = "/query/{query_execution_id}",
      answer = "A page of rows, or the whole result in the format asked for; 202 when it is not ready yet." },
  { method = "GET", pattern = "/query/{query_execution_id}", use_case = "query_status", status = 200,
    answer = "State and statistics of a query." },
  { method = "DELETE", pattern = "/query/{query_execution_id}", use_case = "cancel_query", status = 200,
    answer = "The query was cancelled." },

  { method = "POST", pattern = "/materialize", use_case = "materialize", status = 200, headers = IDEMPOTENCY, seconds = 900,
    answer = "The rows of the query are in the table." },
  { method = "POST", pattern = "/materialize/undo", use_case = "undo_materialize", status = 200,
    answer = "The table is back at its version before." },

  { method = "GET", pattern = "/schemas", use_case = "schemas", status = 200, etag = true,
    answer = "Databases and their tables." },
  { method = "GET", pattern = "/schemas/{database}/{table}", use_case = "table_schema", status = 200, etag = true,
    answer = "One table: columns, partitions, location, counts." },

  { method = "GET", pattern = "/files/{path...}", use_case = "download", status = 200, auth = "signature",
    produces = "application/octet-stream", answer = "A file of the lake, by a signed and expiring URL; ranges work." },

  { method = "GET", pattern = "/openapi.json", built_in = "openapi", status = 200, etag = true, answer = "This document." },
}

return M
