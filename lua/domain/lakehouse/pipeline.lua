-- The pipeline, as a list. To add a table: one entry in `sources`, one in `models`, one SQL file per model.
-- The format of an entry, field by field, is in docs/extend.md; domain/lakehouse/pipeline_rules.lua checks it at start
-- and names every fault. The steps, their order and their SQL follow from this list: no code changes.

local M = {}

M.sources = {
  {
    name = "resident", -- names the steps: stage_resident, merge_resident, ...
    bronze = "dbo_resident", staging = "dbo_resident_latest", silver = "src_sqlserver__dbo_resident",
    key = { "resident_id" },
    columns = {
      { "resident_id", "integer" }, { "first_name", "varchar" }, { "last_name", "varchar" },
      { "dob", "date" }, { "updated_at", "timestamp(6)" },
    },
    newer_by = "updated_at", -- the row with the latest value wins, in a load and in silver
    soft_delete = true,      -- a key that the load no longer has is marked deleted
    tests = {
      staging = {
        { "row_delta" },
        { "not_null", column = "resident_id" },
      },
      silver = {
        { "unique", columns = { "resident_id" } },
        { "not_null", column = "last_name", severity = "warn" },
      },
    },
  },
  {
    name = "visit",
    bronze = "dbo_visit", staging = "dbo_visit_latest", silver = "src_sqlserver__dbo_visit",
    key = { "visit_id" },
    columns = {
      { "visit_id", "integer" }, { "resident_id", "integer" }, { "visit_ts", "timestamp(6)" },
      { "reason", "varchar" }, { "charge_cents", "integer" }, { "updated_at", "timestamp(6)" },
    },
    newer_by = "updated_at",
    soft_delete = true,
    tests = {
      staging = {
        { "row_delta" },
        { "not_null", column = "visit_id" },
        { "freshness", column = "updated_at", max_age_days = 3650, severity = "warn" },
      },
      silver = {
        { "unique", columns = { "visit_id" } },
        { "relationships", column = "resident_id", to = "resident", to_column = "resident_id", severity = "warn" },
      },
    },
  },
}

M.models = {
  {
    name = "dim_resident", sql = "gold_dim_resident", key = { "resident_id" }, after = { "resident" },
    columns = {
      { "resident_id", "integer" }, { "first_name", "varchar" }, { "last_name", "varchar" }, { "full_name", "varchar" },
      { "dob", "date" }, { "age_years", "integer" }, { "effective_ts", "timestamp(6)" },
    },
    tests = {
      { "unique", columns = { "resident_id" } },
      { "not_null", column = "resident_id" },
    },
  },
  {
    name = "fact_visit", sql = "gold_fact_visit", key = { "visit_id" }, after = { "resident", "visit" },
    columns = {
      { "visit_id", "integer" }, { "resident_id", "integer" }, { "visit_date", "date" }, { "visit_ts", "timestamp(6)" },
      { "reason", "varchar" }, { "charge_cents", "integer" }, { "charge_usd", "decimal(12,2)" },
    },
    tests = {
      { "unique", columns = { "visit_id" } },
      { "not_null", column = "resident_id" },
    },
  },
}

return M
