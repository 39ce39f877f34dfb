-- How many requests each process served by its own metrics, and how many of their entry spans arrived: what sampling
-- and dropped batches leave. Metrics are not sampled. Of routes that nobody traces (health checks) nothing is asked.
WITH points AS
(
    SELECT {instance} AS instance, any(ServiceName) AS service, any(Attributes['http.route']) AS route, min(TimeUnix) AS first, max(TimeUnix) AS last,
           argMax(Count, TimeUnix) - if(min(StartTimeUnix) < fromUnixTimestamp64Nano({since:Int64}), argMin(Count, TimeUnix), 0) AS served,
           greatest(min(StartTimeUnix), fromUnixTimestamp64Nano({since:Int64})) AS since
    FROM otel_metrics_histogram
    WHERE MetricName IN ('http.server.request.duration', 'http.server.duration', 'rpc.server.duration', 'rpc.server.call.duration')
      AND AggregationTemporality = 2 AND {instance} IN {instances:Array(String)}
      AND TimeUnix >= fromUnixTimestamp64Nano({since:Int64}) AND TimeUnix <= fromUnixTimestamp64Nano({until:Int64})
    GROUP BY instance, ScopeName, MetricName, toString(Attributes)
),
routes AS
(
    SELECT DISTINCT {instance} AS instance, SpanAttributes['http.route'] AS route
    FROM otel_traces
    WHERE SpanKind = 'Server' AND ServiceName IN (SELECT service FROM points)
      AND Timestamp >= fromUnixTimestamp64Nano({since:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({until:Int64})
),
told AS
(
    SELECT instance, any(service) AS service, sum(served) AS served, min(since) AS since, max(last) AS last
    FROM points
    WHERE route = '' OR (instance, route) IN routes
    GROUP BY instance
)
SELECT t.instance AS instance, any(t.served) AS served, countIf(s.began >= t.since AND s.ended <= t.last) AS traced
FROM told AS t
LEFT JOIN
(
    SELECT {instance} AS instance, min(Timestamp) AS began, max(Timestamp + toIntervalNanosecond(Duration)) AS ended
    FROM otel_traces
    WHERE SpanKind = 'Server' AND ServiceName IN (SELECT service FROM told)
      AND Timestamp >= fromUnixTimestamp64Nano({since:Int64}) AND Timestamp <= fromUnixTimestamp64Nano({until:Int64})
    GROUP BY instance, TraceId, SpanId
) AS s ON t.instance = s.instance
GROUP BY instance
