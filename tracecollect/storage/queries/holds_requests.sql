-- These requests in each process: their entry spans, and the last thing that was done for them as far as it was told.
-- One question, because finding the spans costs more than reading them.
SELECT Instance AS instance, TraceId AS trace_id,
       groupUniqArrayIf(
           (SpanId, toString(ServiceName), toString(SpanName), toString(SpanKind), toUnixTimestamp64Nano(Timestamp), toUnixTimestamp64Nano(Timestamp) + Duration),
           {entry_span} AND NOT Open
       ) AS entries,
       maxIf(
           toUnixTimestamp64Nano(Timestamp) + Duration,
           Timestamp >= fromUnixTimestamp64Nano({since:Int64} - 86400000000000) AND toUnixTimestamp64Nano(Timestamp) + Duration <= {until:Int64}
       ) AS last_ns,
       max(toUnixTimestamp64Nano(Timestamp) + Duration) > {until:Int64} AS goes_on
FROM otel_traces
WHERE TraceId IN {trace_ids:Array(String)} AND {stored_after}
GROUP BY instance, trace_id
