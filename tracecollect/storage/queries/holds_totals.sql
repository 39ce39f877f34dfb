-- How often each pair opened and closed in each process and pool: its capability and its baseline.
SELECT service, instance, dialect, pair, pool, count() AS keys, countIf(has_open AND has_close) AS closed, countIf(has_close AND NOT has_open) AS stray,
       sum(acquires) AS acquired, toUnixTimestamp64Nano(min(first)) AS first_ns, toUnixTimestamp64Nano(max(last)) AS last_ns
FROM
(
    SELECT service, instance, dialect, pair, max(s.pool) AS pool, countIf(role = 'open') > 0 AS has_open, countIf(role = 'close') > 0 AS has_close,
           countIf(signal = 'acquired') AS acquires, min(at) AS first, max(at) AS last
    FROM connection_signals AS s
    WHERE s.at >= fromUnixTimestamp64Nano({since:Int64}) AND s.at <= fromUnixTimestamp64Nano({until:Int64})
      AND has({pairs:Array(String)}, concat(dialect, '/', pair, '/', toString(version)))
    GROUP BY service, instance, dialect, pair, key
)
GROUP BY service, instance, dialect, pair, pool
ORDER BY service, instance, dialect, pair, pool
