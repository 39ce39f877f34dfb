-- The versions of a service by the resource of its spans, and the processes that ran them.
SELECT instance, version, toUnixTimestamp64Nano(min(began)) AS first_ns, max(ended_ns) AS last_ns
FROM
(
    SELECT Instance AS instance, ResourceAttributes['service.version'] AS version, Timestamp AS began,
           toUnixTimestamp64Nano(Timestamp) + toInt64(Duration) AS ended_ns
    FROM otel_traces
    WHERE ServiceName = {service:String}
      AND Timestamp >= fromUnixTimestamp64Nano({since:Int64}) AND Timestamp < fromUnixTimestamp64Nano({until:Int64})
)
GROUP BY instance, version
ORDER BY first_ns, instance, version
