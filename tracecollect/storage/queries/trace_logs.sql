-- The log records of one trace.
SELECT toUnixTimestamp64Nano(Timestamp) AS at_ns, TraceId, SpanId, ServiceName, SeverityText, Body, EventName, ScopeName, LogAttributes
FROM otel_logs
WHERE TraceId = {trace_id:String}
ORDER BY Timestamp
LIMIT {limit:UInt32}
SETTINGS max_threads = 1 -- a few granules: threads would only have to be started
