-- The entry spans of these traces: server, consumer, root, or called from another process. A client span without a
-- parent is a statement, not a request: it owns nothing.
SELECT TraceId AS trace_id, SpanId AS span_id, any(ServiceName) AS service, any({instance}) AS instance, any(SpanName) AS name, any(SpanKind) AS kind,
       toUnixTimestamp64Nano(min(Timestamp)) AS start_ns,
       toUnixTimestamp64Nano(max(Timestamp + toIntervalNanosecond(Duration))) AS end_ns
FROM otel_traces
WHERE TraceId IN {trace_ids:Array(String)}
  AND (SpanKind IN ('Server', 'Consumer') OR SpanKind NOT IN ('Client', 'Producer') AND (ParentSpanId = '' OR bitAnd(Flags, 768) = 768))
  AND SpanAttributes['tracecollect.open'] != 'true'
GROUP BY TraceId, SpanId
ORDER BY start_ns
