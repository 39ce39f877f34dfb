-- What whole traces look like, newest first.
SELECT TraceId AS trace_id,
       argMin(ServiceName, (ParentSpanId != '', Timestamp)) AS root_service,
       argMin(SpanName, (ParentSpanId != '', Timestamp)) AS root_name,
       toUnixTimestamp64Nano(min(Timestamp)) AS start_ns,
       max(toUnixTimestamp64Nano(Timestamp) + toInt64(Duration)) - toUnixTimestamp64Nano(min(Timestamp)) AS duration_ns,
       uniqExact(SpanId) AS span_count,
       uniqExactIf(SpanId, StatusCode = 'Error') AS error_count,
       arraySort(groupUniqArray(ServiceName)) AS services
FROM otel_traces
WHERE TraceId IN {found:Array(String)}
  -- A trace is looked for an hour around the window it was found in: its other spans are not far.
  AND Timestamp >= fromUnixTimestamp64Nano({since:Int64} - 3600000000000) AND Timestamp < fromUnixTimestamp64Nano({until:Int64} + 3600000000000)
GROUP BY TraceId
ORDER BY start_ns DESC
