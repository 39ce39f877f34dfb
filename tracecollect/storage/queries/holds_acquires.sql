-- When each physical connection of these processes was taken or given back: one of which that is heard later came back
-- before, even if the news of one of them is lost.
SELECT instance, s.pool AS pool, s.connection_id AS connection, arraySort(groupUniqArray(toUnixTimestamp64Nano(at))) AS taken,
       groupUniqArrayIf(toUnixTimestamp64Nano(at), signal = 'released') AS back
FROM connection_signals AS s
WHERE instance IN {instances:Array(String)} AND signal IN ('acquired', 'released') AND role != 'pin' AND s.connection_id != ''
  AND (dialect, pair, version) IN {pairs:Array(Tuple(String, String, UInt16))}
  AND at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64})
GROUP BY instance, pool, connection
LIMIT {limit:UInt32}
