-- The signals of some keys, one a fact however often it was delivered. A key of this name in another process or
-- pair may come along: the caller knows which ones it asked for.
SELECT service, instance, dialect, pair, signal, role, key, toUnixTimestamp64Nano(at) AS at_ns,
       toUnixTimestamp64Nano(any(started)) AS started_ns, trace_id, span_id, any(s.parent_id) AS parent_id, any(s.pool) AS pool,
       any(s.connection_id) AS connection_id, any(s.name) AS name, any(s.statement) AS statement, any(s.code) AS code,
       any(s.reason) AS reason, toUnixTimestamp64Nano(min(arrived)) AS arrived_ns
FROM connection_signals AS s
WHERE dialect IN {dialects:Array(String)} AND instance IN {instances:Array(String)} AND key IN {keys:Array(String)}
  AND at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64})
  AND {stored_after}
  AND has({pairs:Array(String)}, concat(dialect, '/', pair, '/', toString(version)))
GROUP BY service, instance, dialect, pair, signal, role, key, at, trace_id, span_id
ORDER BY at_ns
