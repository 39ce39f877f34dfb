-- Who waited long for a connection of these processes, and whether it came to nothing.
SELECT instance, s.pool AS pool, trace_id, span_id, toUnixTimestamp64Nano(min(started)) AS began_ns, toUnixTimestamp64Nano(max(at)) AS ended_ns,
       max(signal = 'failed') AS failed
FROM connection_signals AS s
WHERE instance IN {instances:Array(String)} AND signal IN ('acquired', 'failed') AND at >= started + toIntervalMillisecond({least_ms:UInt32})
  AND (dialect, pair, version) IN {pairs:Array(Tuple(String, String, UInt16))}
  AND at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64})
GROUP BY instance, pool, trace_id, span_id
ORDER BY began_ns
LIMIT {limit:UInt32}
