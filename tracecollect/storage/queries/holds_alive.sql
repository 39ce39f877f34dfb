-- How many entry spans of one process lived at each of some moments: as many requests at most hold something then.
SELECT sumForEach(arrayMap(m -> toUInt32(began <= m AND m < ended), {moments:Array(Int64)})) AS alive, count() AS entries
FROM
(
    SELECT toUnixTimestamp64Nano(min(Timestamp)) AS began, toUnixTimestamp64Nano(max(Timestamp + toIntervalNanosecond(Duration))) AS ended
    FROM otel_traces
    WHERE {instance} = {asked:String} AND ServiceName = {service:String}
      AND (SpanKind IN ('Server', 'Consumer') OR SpanKind NOT IN ('Client', 'Producer') AND (ParentSpanId = '' OR bitAnd(Flags, 768) = 768))
      AND Timestamp >= fromUnixTimestamp64Nano({since:Int64} - 3600000000000) AND Timestamp <= fromUnixTimestamp64Nano({until:Int64})
    GROUP BY TraceId, SpanId
)
