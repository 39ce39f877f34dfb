-- Every signal of one trace.
SELECT service, instance, dialect, pair, signal, role, key, toUnixTimestamp64Nano(at) AS at_ns,
       toUnixTimestamp64Nano(any(started)) AS started_ns, trace_id, span_id, any(s.parent_id) AS parent_id, any(s.pool) AS pool,
       any(s.connection_id) AS connection_id, any(s.name) AS name, any(s.statement) AS statement, any(s.code) AS code,
       any(s.reason) AS reason, toUnixTimestamp64Nano(min(arrived)) AS arrived_ns
FROM connection_signals AS s
WHERE trace_id = {trace_id:String}
  AND has({pairs:Array(String)}, concat(dialect, '/', pair, '/', toString(version)))
GROUP BY service, instance, dialect, pair, signal, role, key, at, trace_id, span_id
ORDER BY at_ns
LIMIT 100000
SETTINGS max_threads = 1 -- a few granules: threads would only have to be started
