-- Sessions that the database itself saw idle in a transaction when it last spoke of them, by the request that used each
-- last: the trace of the sample, or the traceparent in application_name, which is part of the key.
SELECT connection_id, trace AS trace_id, toUnixTimestamp64Nano(min(at)) AS first_ns, toUnixTimestamp64Nano(max(at)) AS last_ns
FROM
(
    SELECT instance, connection_id, signal, at, if(s.trace_id != '', s.trace_id, extract(key, ':00-([0-9a-f]{32})-[0-9a-f]{16}-')) AS trace,
           max(at) OVER (PARTITION BY instance, connection_id) AS newest
    FROM connection_signals AS s
    WHERE (dialect, pair, version) IN {witnesses:Array(Tuple(String, String, UInt16))} AND connection_id != ''
      AND at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64})
)
WHERE trace IN {trace_ids:Array(String)}
GROUP BY instance, connection_id, trace
HAVING max(at) = max(newest) AND argMax(signal, at) = 'tx_began'
ORDER BY first_ns
LIMIT {limit:UInt32}
