-- Measured span loss of some services' processes: local parents that were referred to, and how many never came.
-- Traces are sampled by id, which is how the table is sorted: `below` is g for all of them.
SELECT instance, count() AS referred, countIf(NOT came) AS missing
FROM
(
    SELECT instance, TraceId, ParentSpanId,
           (TraceId, ParentSpanId) IN (SELECT TraceId, SpanId FROM otel_traces WHERE TraceId < {below:String} AND ServiceName IN {services:Array(String)}
                                       AND Timestamp >= fromUnixTimestamp64Nano({since:Int64} - 3600000000000)) AS came
    FROM
    (
        SELECT TraceId, ParentSpanId, Instance AS instance
        FROM otel_traces
        WHERE TraceId < {below:String} AND ServiceName IN {services:Array(String)} AND bitAnd(Flags, 768) = 256 AND ParentSpanId != ''
          -- Spans that are holds themselves are the question, not the measure.
          AND (TraceId, ParentSpanId) NOT IN (SELECT trace_id, key FROM connection_signals WHERE role = 'open' AND key = parent_id AND trace_id < {below:String}
                                              AND at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64}))
          AND Timestamp >= fromUnixTimestamp64Nano({since:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({until:Int64} - {grace:Int64})
    )
    GROUP BY instance, TraceId, ParentSpanId
)
GROUP BY instance
