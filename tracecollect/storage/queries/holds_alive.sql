-- How many entry spans of one process lived at each of some moments: as many requests at most hold something then.
SELECT sumForEach(arrayMap(m -> toUInt32(began <= m AND m < ended), {moments:Array(Int64)})) AS alive, count() AS entries
FROM
(
    SELECT toUnixTimestamp64Nano(min(Timestamp)) AS began, toUnixTimestamp64Nano(max(Timestamp + toIntervalNanosecond(Duration))) AS ended
    FROM otel_traces
    WHERE Instance = {asked:String} AND ServiceName = {service:String}
      AND {entry_span}
      AND Timestamp >= fromUnixTimestamp64Nano({since:Int64} - 3600000000000) AND Timestamp <= fromUnixTimestamp64Nano({until:Int64})
    GROUP BY TraceId, SpanId
)
