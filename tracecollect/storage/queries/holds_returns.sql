-- How many holds of each path came back, and how many of them more than a second after the request or job that took them
-- had ended, how long after at the most. Paths that hand their connection to somebody else show here; and how long nearly all
-- of them were out. What died under its user did not come back. Traces are sampled by id.
WITH closed AS
(
    SELECT instance, dialect, pair, key, max(trace_id) AS trace, minIf(started, role = 'open') AS began,
           maxIf(at, role = 'close' AND reason != 'lost') AS came_back
    FROM connection_signals
    WHERE instance IN {instances:Array(String)} AND (dialect, pair, version) IN {pairs:Array(Tuple(String, String, UInt16))}
      AND at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64}) AND role IN ('open', 'close')
      AND (trace_id < {below:String} OR trace_id = '')
    GROUP BY instance, dialect, pair, key
    HAVING countIf(role = 'close' AND reason != 'lost') > 0 AND trace != ''
    LIMIT {limit:UInt32}
),
owners AS
(
    SELECT TraceId, Instance AS instance, max(Timestamp + toIntervalNanosecond(Duration)) AS ended, argMin(SpanName, Timestamp) AS entry
    FROM otel_traces
    WHERE TraceId IN (SELECT trace FROM closed) AND TraceId < {below:String}
      AND {entry_span}
      AND NOT Open
      AND Timestamp >= fromUnixTimestamp64Nano({since:Int64} - 86400000000000) AND Timestamp <= fromUnixTimestamp64Nano({until:Int64})
    GROUP BY TraceId, instance
)
SELECT c.instance AS instance, c.dialect AS dialect, c.pair AS pair, o.entry AS entry, count() AS closed,
       countIf(c.came_back > o.ended + toIntervalSecond(1)) AS late,
       max(toUnixTimestamp64Nano(c.came_back) - toUnixTimestamp64Nano(o.ended)) AS latest,
       quantileExact(0.95)(if(c.began > toDateTime64(0, 9), toUnixTimestamp64Nano(c.came_back) - toUnixTimestamp64Nano(c.began), 0)) AS lasted
FROM closed AS c INNER JOIN owners AS o ON c.trace = o.TraceId AND c.instance = o.instance
GROUP BY instance, dialect, pair, entry
ORDER BY instance, dialect, pair, entry
