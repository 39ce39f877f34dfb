-- Every scope that was heard of, and in spans, logs or metrics.
SELECT source, scope FROM instances GROUP BY source, scope
