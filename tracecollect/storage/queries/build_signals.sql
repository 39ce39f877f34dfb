-- The signals of a sample of a service's requests, one a fact however often it was delivered. What closes a key may be
-- said outside of the request that opened it, so keys are asked for; a key that is used again brings its other requests.
WITH touched AS
(
    SELECT dialect, pair, instance, key
    FROM connection_signals
    WHERE service = {service:String} AND instance IN {instances:Array(String)} AND trace_id != '' AND right(trace_id, 8) < {below:String}
      AND at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64})
)
SELECT service, instance, dialect, pair, signal, role, key, toUnixTimestamp64Nano(at) AS at_ns,
       toUnixTimestamp64Nano(any(started)) AS started_ns, trace_id, span_id, any(s.parent_id) AS parent_id, any(s.pool) AS pool,
       any(s.connection_id) AS connection_id, any(s.name) AS name, any(s.statement) AS statement, any(s.code) AS code,
       any(s.reason) AS reason, toUnixTimestamp64Nano(min(arrived)) AS arrived_ns
FROM connection_signals AS s
WHERE service = {service:String} AND (dialect, pair, version) IN {pairs:Array(Tuple(String, String, UInt16))}
  AND (dialect, pair, instance, key) IN (SELECT dialect, pair, instance, key FROM touched)
  AND at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64})
GROUP BY service, instance, dialect, pair, signal, role, key, at, trace_id, span_id
ORDER BY at_ns
LIMIT {limit:UInt32}
