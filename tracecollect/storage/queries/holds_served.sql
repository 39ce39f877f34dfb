-- How many requests each process served by its own metrics, and how many of their entry spans arrived: what sampling
-- and dropped batches leave. Metrics are not sampled. Routes of which no span ever came (health checks) are left out.
WITH told AS
(
    SELECT instance, any(service) AS service, route, sum(count) AS served, max(upto) AS upto, min(begin) AS begin
    FROM
    (
        SELECT Instance AS instance, any(ServiceName) AS service, any(Attributes['http.route']) AS route, max(TimeUnix) AS upto,
               min(StartTimeUnix) < fromUnixTimestamp64Nano({since:Int64}) AS older,
               argMax(Count, TimeUnix) - if(older, argMin(Count, TimeUnix), 0) AS count,
               if(older, min(TimeUnix), fromUnixTimestamp64Nano({since:Int64})) AS begin
        FROM otel_metrics_histogram
        WHERE MetricName IN ('http.server.request.duration', 'http.server.duration', 'rpc.server.duration', 'rpc.server.call.duration')
          AND AggregationTemporality = 2 AND Instance IN {instances:Array(String)}
          AND TimeUnix >= fromUnixTimestamp64Nano({since:Int64}) AND TimeUnix <= fromUnixTimestamp64Nano({until:Int64})
        GROUP BY instance, ScopeName, MetricName, toString(Attributes)
    )
    GROUP BY instance, route
),
spans AS
(
    SELECT Instance AS instance, any(SpanAttributes['http.route']) AS route, min(Timestamp) AS began, max(Timestamp + toIntervalNanosecond(Duration)) AS ended
    FROM otel_traces
    WHERE SpanKind = 'Server' AND ServiceName IN (SELECT service FROM told)
      AND Timestamp >= fromUnixTimestamp64Nano({since:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({until:Int64})
    GROUP BY instance, TraceId, SpanId
)
SELECT instance, sum(served) AS served, sum(came) AS traced
FROM
(
    SELECT t.instance AS instance, t.route AS route, any(t.served) AS served, countIf(s.began >= t.begin AND s.ended <= t.upto) AS came
    FROM told AS t LEFT JOIN (SELECT instance, arrayJoin(arrayDistinct(['', route])) AS route, began, ended FROM spans) AS s ON t.instance = s.instance AND t.route = s.route
    GROUP BY instance, route
)
WHERE came > 0
GROUP BY instance
