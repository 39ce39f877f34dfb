-- The newest signals of one pool. Where they begin is found first: grouping all of them to keep a few takes seconds.
WITH newest AS
(
    SELECT at
    FROM connection_signals AS s
    WHERE instance = {instance:String} AND s.pool = {pool:String}
      AND at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64})
      AND (dialect, pair, version) IN {pairs:Array(Tuple(String, String, UInt16))}
    ORDER BY at DESC
    LIMIT {limit:UInt32}
)
SELECT service, instance, dialect, pair, signal, role, key, toUnixTimestamp64Nano(at) AS at_ns,
       toUnixTimestamp64Nano(any(started)) AS started_ns, trace_id, span_id, any(s.parent_id) AS parent_id, any(s.pool) AS pool,
       any(s.connection_id) AS connection_id, any(s.name) AS name, any(s.statement) AS statement, any(s.code) AS code,
       any(s.reason) AS reason, toUnixTimestamp64Nano(min(arrived)) AS arrived_ns
FROM connection_signals AS s
WHERE instance = {instance:String} AND s.pool = {pool:String}
  AND at >= (SELECT min(at) FROM newest) AND at <= fromUnixTimestamp64Nano({until:Int64})
  AND (dialect, pair, version) IN {pairs:Array(Tuple(String, String, UInt16))}
GROUP BY service, instance, dialect, pair, signal, role, key, at, trace_id, span_id
ORDER BY at_ns DESC
LIMIT {limit:UInt32}
