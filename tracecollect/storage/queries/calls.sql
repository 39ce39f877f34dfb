-- Who called whom: the operation of every span with the operation of its parent. Millions of spans are joined with
-- themselves, so that spans and operations go by hashes until the few pairs of operations are known.
WITH operations AS
(
    SELECT cityHash64(ServiceName, SpanName, SpanKind) AS operation,
           any(ServiceName) AS service, any(SpanName) AS name, any(SpanKind) AS kind
    FROM otel_traces
    WHERE Timestamp >= fromUnixTimestamp64Nano({since:Int64}) AND Timestamp < fromUnixTimestamp64Nano({until:Int64})
    GROUP BY operation
),
pairs AS
(
    SELECT caller.operation AS caller_operation, callee.operation AS operation,
           count() AS calls, countIf(failed) AS errors, sum(duration) AS total_ns,
           toUInt64(quantile(0.5)(duration)) AS p50_ns, toUInt64(quantile(0.99)(duration)) AS p99_ns
    FROM
    (
        -- Once each, however often it was delivered.
        SELECT cityHash64(TraceId, SpanId) AS id, any(cityHash64(TraceId, ParentSpanId)) AS parent,
               any(cityHash64(ServiceName, SpanName, SpanKind)) AS operation,
               any(Duration) AS duration, any(StatusCode = 'Error') AS failed
        FROM otel_traces
        WHERE Timestamp >= fromUnixTimestamp64Nano({since:Int64}) AND Timestamp < fromUnixTimestamp64Nano({until:Int64})
        GROUP BY id
    ) AS callee
    ANY LEFT JOIN
    (
        SELECT cityHash64(TraceId, SpanId) AS id, cityHash64(ServiceName, SpanName, SpanKind) AS operation
        FROM otel_traces
        WHERE Timestamp >= fromUnixTimestamp64Nano({since:Int64}) AND Timestamp < fromUnixTimestamp64Nano({until:Int64})
    ) AS caller ON callee.parent = caller.id
    GROUP BY caller_operation, operation
)
SELECT caller.service AS caller_service, caller.name AS caller_name, callee.service AS service, callee.name AS name, callee.kind AS kind,
       calls, errors, total_ns, p50_ns, p99_ns
FROM pairs
JOIN operations AS callee ON pairs.operation = callee.operation
LEFT JOIN operations AS caller ON pairs.caller_operation = caller.operation
WHERE {service:String} = '' OR callee.service = {service:String} OR caller.service = {service:String}
ORDER BY calls DESC, caller_service, caller_name, service, name
LIMIT {limit:UInt32}
