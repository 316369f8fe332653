-- Asks the engine for a sign of life.
SELECT 1 AS alive
