-- The last thing that each process did for each of these requests, as far as it has told.
SELECT {instance} AS instance, TraceId AS trace_id, toUnixTimestamp64Nano(max(Timestamp + toIntervalNanosecond(Duration))) AS last_ns
FROM otel_traces
WHERE TraceId IN {trace_ids:Array(String)} AND Timestamp >= fromUnixTimestamp64Nano({since:Int64} - 86400000000000)
  AND Timestamp + toIntervalNanosecond(Duration) <= fromUnixTimestamp64Nano({until:Int64})
GROUP BY instance, trace_id
