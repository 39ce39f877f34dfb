-- Borrows with the end of the entry span that took each (0 where it has not arrived), the last thing done with it, and
-- whether a physical connection was opened for it: the library says so, or traces the opening inside the borrow.
-- Where no acquire is told, use is: one borrow a request and connection, or a request and pool where connections have no id.
-- Such a borrow, and one of a pair that is entered by touch, may be as old as the entry span.
-- A trace with several borrows does not say which of them a statement used, so each may have been back from its start.
-- Where every use shows the hold, those of one key are one borrow, from the first of them to the last.
WITH signals AS
(
    SELECT service, instance, dialect, (dialect, pair) IN {counting:Array(Tuple(String, String))} AS counting, connection_id, signal, role, trace_id, span_id, s.parent_id AS parent, s.pool AS pool, at, started, s.statement AS statement, s.reason AS reason,
           (dialect, pair, version) IN {touched:Array(Tuple(String, String, UInt16))} AS touch,
           if(touch AND signal = 'acquired', key, span_id) AS hold
    FROM connection_signals AS s
    WHERE instance IN {instances:Array(String)} AND signal IN ('acquired', 'opened', 'used', 'failed')
      AND (dialect, pair, version) IN {pairs:Array(Tuple(String, String, UInt16))}
      AND at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64})
),
borrows AS
(
    SELECT service, instance, dialect, max(s.pool) AS pool, trace_id, argMin(s.span_id, s.at) AS span_id, min(s.at) AS acquired, min(started) AS began, max(reason) AS told, max(touch) AS touched
    FROM signals AS s WHERE signal = 'acquired' AND role = 'open'
    GROUP BY service, instance, dialect, trace_id, hold
    UNION ALL
    SELECT service, instance, dialect, pool, trace_id, argMin(u.span_id, at) AS span_id, min(at) AS acquired, min(started) AS began, '' AS told, 1 AS touched
    FROM signals AS u WHERE signal = 'used' AND role = 'open' AND counting
    GROUP BY service, instance, dialect, pool, trace_id, connection_id
),
uses AS
(
    SELECT instance, dialect, trace_id, uniqExactIf(hold, signal = 'acquired' AND role = 'open') AS borrowed,
           maxIf(at, touch OR signal = 'used') AS last, argMaxIf(statement, at, touch OR signal = 'used') AS said, countIf(signal = 'failed') AS failures
    FROM signals
    GROUP BY instance, dialect, trace_id
),
owners AS
(
    SELECT TraceId, Instance AS instance, min(Timestamp) AS entered, max(Timestamp + toIntervalNanosecond(Duration)) AS ended,
           argMin(SpanName, Timestamp) AS entry, argMin(SpanId, Timestamp) AS entry_id
    FROM otel_traces
    WHERE TraceId IN (SELECT trace_id FROM borrows)
      AND {entry_span}
      AND Timestamp >= fromUnixTimestamp64Nano({since:Int64} - 86400000000000) AND Timestamp <= fromUnixTimestamp64Nano({until:Int64})
      AND NOT Open
      AND Timestamp + toIntervalNanosecond(Duration) <= fromUnixTimestamp64Nano({until:Int64})
    GROUP BY TraceId, instance
)
SELECT b.service AS service, b.instance AS instance, b.dialect AS dialect, b.pool AS pool, b.trace_id AS trace_id, b.span_id AS span_id,
       toUnixTimestamp64Nano(if(b.touched AND o.TraceId != '', least(b.acquired, o.entered), b.acquired)) AS acquired_ns, toUnixTimestamp64Nano(b.began) AS began_ns,
       if(u.borrowed = 1, greatest(toUnixTimestamp64Nano(u.last), acquired_ns), acquired_ns) AS last_use_ns,
       b.told = 'new' OR (b.instance, b.trace_id, b.span_id) IN (SELECT instance, trace_id, parent FROM signals WHERE signal = 'opened') AS fresh,
       u.failures > 0 AS failed, u.said AS statement, o.entry AS entry, o.entry_id AS entry_span,
       if(o.TraceId = '', 0, toUnixTimestamp64Nano(o.ended)) AS owner_ended_ns
FROM borrows AS b
LEFT JOIN uses AS u ON b.instance = u.instance AND b.dialect = u.dialect AND b.trace_id = u.trace_id
LEFT JOIN owners AS o ON b.trace_id = o.TraceId AND b.instance = o.instance
ORDER BY acquired_ns
LIMIT {limit:UInt32}
