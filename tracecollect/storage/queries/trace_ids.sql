-- Ids that begin like this, newest first. The upper bound keeps it a range of the sort key within each hour.
SELECT TraceId AS trace_id
FROM otel_traces
WHERE TraceId >= {prefix:String} AND TraceId < {beyond:String}
GROUP BY TraceId
ORDER BY max(Timestamp) DESC
LIMIT {limit:UInt32}
