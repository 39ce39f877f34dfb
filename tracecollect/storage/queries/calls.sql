-- Who called whom: every entry span (server, consumer or root) with the entry it was called from. Spans in between
-- belong to their entry by (trace, service); a client span's child is found by its own id.
WITH spans AS
(
    SELECT TraceId, SpanId, any(ParentSpanId) AS parent, any(ServiceName) AS service, any(SpanName) AS name,
           any(SpanKind) AS kind, any(Duration) AS duration, any(StatusCode) AS status
    FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({since:Int64}) AND Timestamp < fromUnixTimestamp64Nano({until:Int64})
    GROUP BY TraceId, SpanId
)
SELECT caller.service AS caller_service, caller.name AS caller_name, callee.service AS service, callee.name AS name, callee.kind AS kind,
       count() AS calls, countIf(callee.status = 'Error') AS errors, sum(callee.duration) AS total_ns,
       toUInt64(quantile(0.5)(callee.duration)) AS p50_ns, toUInt64(quantile(0.99)(callee.duration)) AS p99_ns
FROM spans AS callee
LEFT JOIN spans AS caller ON callee.TraceId = caller.TraceId AND callee.parent = caller.SpanId
WHERE {service:String} = '' OR callee.service = {service:String} OR caller.service = {service:String}
GROUP BY caller_service, caller_name, service, name, kind
ORDER BY calls DESC, caller_service, caller_name, service, name
LIMIT {limit:UInt32}
