-- The entry operations of a service, or of one version of it: how many requests, and how many of them are in the sample.
SELECT entry, count() AS requests, countIf(right(trace, 8) < {below:String}) AS followed
FROM
(
    SELECT TraceId AS trace, any(SpanName) AS entry
    FROM otel_traces
    WHERE ServiceName = {service:String} AND ({version:String} = '' OR ResourceAttributes['service.version'] = {version:String})
      AND {entry_span}
      AND NOT Open
      AND Timestamp >= fromUnixTimestamp64Nano({since:Int64}) AND Timestamp < fromUnixTimestamp64Nano({until:Int64})
    GROUP BY TraceId, SpanId
)
GROUP BY entry
ORDER BY requests DESC, entry
LIMIT {limit:UInt32}
