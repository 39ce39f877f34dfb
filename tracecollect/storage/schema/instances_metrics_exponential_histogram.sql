-- Who sent exponential histogram points: a service may export metrics only.
CREATE MATERIALIZED VIEW IF NOT EXISTS instances_metrics_exponential_histogram TO instances AS
SELECT ServiceName AS service, Instance AS instance, ScopeName AS scope, 'metrics' AS source,
       toStartOfMinute(TimeUnix) AS minute, count() AS items, emptyArrayString() AS systems,
       min(TimeUnix) AS first_at, max(TimeUnix) AS last_at, max(Arrived) AS arrived
FROM otel_metrics_exponential_histogram
GROUP BY service, instance, scope, minute
