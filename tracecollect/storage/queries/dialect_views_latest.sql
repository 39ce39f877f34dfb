-- What each view was last made of.
SELECT source, argMax(sha256, applied_at) AS sha256, argMax(dialects, applied_at) AS dialects FROM dialect_views GROUP BY source
