-- Where pools lead, by the events of these moments: the newest one of each pool.
SELECT Instance AS instance, LogAttributes['db.client.connection.pool.name'] AS pool,
       max(concat(LogAttributes['server.address'],
                  if(LogAttributes['server.port'] != '', concat(':', LogAttributes['server.port']), ''),
                  if(LogAttributes['db.namespace'] != '', concat('/', LogAttributes['db.namespace']), ''))) AS place
FROM otel_logs
WHERE Timestamp IN (SELECT fromUnixTimestamp64Nano(arrayJoin({moments:Array(Int64)})))
  AND ServiceName IN {services:Array(String)} AND Instance IN {instances:Array(String)}
  AND startsWith(EventName, 'db.client.connection.')
GROUP BY instance, pool
HAVING place != ''
ORDER BY instance, pool
