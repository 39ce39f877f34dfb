-- Borrows of acquire-only libraries with the end of the entry span that took them; 0 where it has not arrived.
-- Where every use shows the hold, those of one key are one borrow, from the first use on.
WITH borrows AS
(
    SELECT service, instance, dialect, max(b.pool) AS pool, any(b.trace_id) AS trace_id, argMin(b.span_id, at) AS span_id, min(at) AS acquired
    FROM connection_signals AS b
    WHERE signal = 'acquired' AND role = 'open' AND has({pairs:Array(String)}, concat(dialect, '/', pair, '/', toString(version)))
      AND instance IN {instances:Array(String)}
      AND at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64})
    GROUP BY service, instance, dialect, pair, key, if(has({touched:Array(String)}, concat(dialect, '/', pair)), '', concat(b.trace_id, b.span_id))
),
owners AS
(
    SELECT TraceId, {instance} AS instance, max(Timestamp + toIntervalNanosecond(Duration)) AS ended
    FROM otel_traces
    WHERE TraceId IN (SELECT trace_id FROM borrows)
      AND (SpanKind IN ('Server', 'Consumer') OR SpanKind NOT IN ('Client', 'Producer') AND (ParentSpanId = '' OR bitAnd(Flags, 768) = 768))
      AND Timestamp >= fromUnixTimestamp64Nano({since:Int64} - 86400000000000) AND Timestamp <= fromUnixTimestamp64Nano({until:Int64})
      AND Timestamp + toIntervalNanosecond(Duration) <= fromUnixTimestamp64Nano({until:Int64})
    GROUP BY TraceId, instance
)
SELECT b.service AS service, b.instance AS instance, b.dialect AS dialect, b.pool AS pool, b.trace_id AS trace_id, b.span_id AS span_id,
       toUnixTimestamp64Nano(b.acquired) AS acquired_ns, if(o.TraceId = '', 0, toUnixTimestamp64Nano(o.ended)) AS owner_ended_ns
FROM borrows AS b
LEFT JOIN owners AS o ON b.trace_id = o.TraceId AND b.instance = o.instance
ORDER BY acquired_ns
LIMIT {limit:UInt32}
