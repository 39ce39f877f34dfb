-- Who sent spans, through which scope, of which database systems.
CREATE MATERIALIZED VIEW IF NOT EXISTS instances_traces TO instances AS
SELECT ServiceName AS service, Instance AS instance, ScopeName AS scope, 'traces' AS source,
       toStartOfMinute(Timestamp) AS minute, count() AS items,
       groupUniqArrayIf(8)(if(SpanAttributes['db.system.name'] != '', SpanAttributes['db.system.name'], SpanAttributes['db.system']),
                           mapContains(SpanAttributes, 'db.system.name') OR mapContains(SpanAttributes, 'db.system')) AS systems,
       min(Timestamp) AS first_at, max(Timestamp + toIntervalNanosecond(Duration)) AS last_at, max(Arrived) AS arrived
FROM otel_traces
GROUP BY service, instance, scope, minute
