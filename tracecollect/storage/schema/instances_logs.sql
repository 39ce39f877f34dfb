-- Who sent log records.
CREATE MATERIALIZED VIEW IF NOT EXISTS instances_logs TO instances AS
SELECT ServiceName AS service, Instance AS instance, ScopeName AS scope, 'logs' AS source,
       toStartOfMinute(Timestamp) AS minute, count() AS items, emptyArrayString() AS systems,
       min(Timestamp) AS first_at, max(Timestamp) AS last_at, max(Arrived) AS arrived
FROM otel_logs
GROUP BY service, instance, scope, minute
