-- Traces with one span that meets every condition, newest first; then what the whole trace looks like.
WITH hits AS
(
    SELECT TraceId, max(Timestamp) AS newest
    FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({since:Int64}) AND Timestamp < fromUnixTimestamp64Nano({until:Int64})
      AND ({service:String} = '' OR ServiceName = {service:String})
      AND ({operation:String} = '' OR SpanName = {operation:String})
      AND Duration >= {min_duration:UInt64} AND Duration <= {max_duration:UInt64}
      AND (NOT {error:Bool} OR StatusCode = 'Error')
      AND arrayAll((k, v) -> (SpanAttributes[k] = v AND mapContains(SpanAttributes, k))
                          OR (ResourceAttributes[k] = v AND mapContains(ResourceAttributes, k)),
                   {keys:Array(String)}, {values:Array(String)})
    GROUP BY TraceId
    ORDER BY newest DESC
    LIMIT {limit:UInt32}
)
SELECT TraceId AS trace_id,
       argMin(ServiceName, (ParentSpanId != '', Timestamp)) AS root_service,
       argMin(SpanName, (ParentSpanId != '', Timestamp)) AS root_name,
       toUnixTimestamp64Nano(min(Timestamp)) AS start_ns,
       max(toUnixTimestamp64Nano(Timestamp) + toInt64(Duration)) - toUnixTimestamp64Nano(min(Timestamp)) AS duration_ns,
       uniqExact(SpanId) AS span_count,
       uniqExactIf(SpanId, StatusCode = 'Error') AS error_count,
       arraySort(groupUniqArray(ServiceName)) AS services
FROM otel_traces
WHERE TraceId IN (SELECT TraceId FROM hits)
  -- A trace is looked for an hour around the window it was found in: its other spans are not far.
  AND Timestamp >= fromUnixTimestamp64Nano({since:Int64} - 3600000000000) AND Timestamp < fromUnixTimestamp64Nano({until:Int64} + 3600000000000)
GROUP BY TraceId
ORDER BY start_ns DESC
