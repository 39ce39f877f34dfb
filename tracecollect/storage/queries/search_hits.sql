-- Traces with one span in this stretch that meets every condition, newest first. Those that are known are left out.
SELECT TraceId AS trace_id
FROM otel_traces
WHERE Timestamp >= fromUnixTimestamp64Nano({since:Int64}) AND Timestamp < fromUnixTimestamp64Nano({until:Int64})
  AND ({service:String} = '' OR ServiceName = {service:String})
  AND ({operation:String} = '' OR SpanName = {operation:String})
  AND Duration >= {min_duration:UInt64} AND Duration <= {max_duration:UInt64}
  AND (NOT {error:Bool} OR StatusCode = 'Error')
  AND arrayAll((k, v) -> (SpanAttributes[k] = v AND mapContains(SpanAttributes, k))
                      OR (ResourceAttributes[k] = v AND mapContains(ResourceAttributes, k)),
               {keys:Array(String)}, {values:Array(String)})
  AND TraceId NOT IN {known:Array(String)}
GROUP BY TraceId
ORDER BY max(Timestamp) DESC
LIMIT {limit:UInt32}
