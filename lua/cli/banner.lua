-- What `serve` prints: where it listens and lines to copy. The lines work as printed; tests/e2e runs them.
local M = {}

local JSON <const> = " -H 'Content-Type: application/json'"

-- Where the tables are: on this machine, or on the services that SEWING_PROFILE=aws names.
local function places(settings, data)
  if settings.profile == "aws" then
    return { ("  profile  aws, region %s (sewing doctor says what answers there)"):format(settings.aws_region) }
  end
  return { ("  data     %s"):format(data),
    ("  source   %s"):format(settings.source or "the sample in the data folder (another: --source DIR)") }
end

---@param url string
---@param secured boolean
---@return string[][]   { what it shows, the line }
function M.lines(url, secured)
  local curl = "curl -s" .. (secured and ' -H "Authorization: Bearer $SEWING_TOKEN"' or "")
  local post = curl .. " -X POST" .. JSON
  return {
    { "start a refresh of bronze, silver and gold, and keep its id",
      ([[job=$(%s -X POST %s/run | sed 's/.*"jobId":"\([^"]*\)".*/\1/'); echo $job]]):format(curl, url) },
    { "watch it to its end", ("%s -N %s/runs/$job/events"):format(curl, url) },
    { "its steps, rows and times", ("%s %s/runs/$job"):format(curl, url) },
    { "ask in SQL", ([[%s %s/query -d '{"sql":"SELECT * FROM gold.dim_resident ORDER BY resident_id LIMIT 3"}']]):format(post, url) },
    { "keep an answer as a table",
      ([[%s %s/materialize -d '{"target":{"db":"gold","table":"visits_by_resident"},"mode":"replace",]]
        .. [["sql":"SELECT resident_id, count(*) AS visits FROM gold.fact_visit GROUP BY resident_id"}']]):format(post, url) },
    { "see all tables", ("%s %s/schemas"):format(curl, url) },
    { "download a table as Parquet",
      ([[%s -H 'Accept: application/vnd.apache.parquet' %s/query -d '{"sql":"SELECT * FROM gold.visits_by_resident"}' -o visits.parquet]])
        :format(post, url) },
  }
end

---@param settings table
---@param url string
---@param data string   where the lake lies
---@return string
function M.text(settings, url, data)
  local out = { ("SewingMachine %s listens on %s"):format(require("version").number, url),
    ("  API      %s/openapi.json"):format(url) }
  for _, place in ipairs(places(settings, data)) do out[#out + 1] = place end
  for _, line in ipairs { "  stop     Ctrl-C", "", "Copy these, from top to bottom:", "" } do out[#out + 1] = line end
  for _, line in ipairs(M.lines(url, settings.auth ~= "none")) do
    out[#out + 1] = "  # " .. line[1]
    out[#out + 1] = "  " .. line[2]
  end
  out[#out + 1] = ""
  return table.concat(out, "\n") .. "\n"
end

return M
