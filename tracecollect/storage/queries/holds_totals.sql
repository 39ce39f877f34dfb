-- How often each pair opened and closed in each process and pool, and which keys are open: its capability, its
-- baseline and the remainder that reaches the judge, in one pass. A key is open when its newest opener is unanswered
-- and older than the grace, by its pair's open_if; keys only, facts are fetched for the few that remain.
SELECT service, instance, dialect, pair, pool, count() AS keys, countIf(has_open AND has_close) AS closed, countIf(has_close AND NOT has_open) AS stray,
       sum(acquires) AS acquired, toUnixTimestamp64Nano(min(first)) AS first_ns, toUnixTimestamp64Nano(max(last)) AS last_ns,
       groupArrayIf({limit:UInt32})(key, is_open) AS open_keys
FROM
(
    SELECT any(s.service) AS service, instance, dialect, pair, key, max(s.pool) AS pool,
           countIf(role = 'open') > 0 AS has_open, countIf(role = 'close') > 0 AS has_close,
           countIf(signal = 'acquired') AS acquires, min(at) AS first, max(at) AS last,
           maxIf(at, role IN ('open', 'close', 'excuse', 'pin')) AS last_sign, maxIf(at, role = 'open') AS opened,
           has_open AND last_sign <= fromUnixTimestamp64Nano({until:Int64} - {grace:Int64}) AND opened > maxIf(at, role = 'pin')
           AND (
               (dialect, pair) IN {by_last:Array(Tuple(String, String))} AND opened > maxIf(at, role = 'close')
               OR (dialect, pair) IN {by_none:Array(Tuple(String, String))} AND NOT has_close
               OR uniqExactIf((span_id, at), role = 'open' AND (dialect, pair) IN {by_count:Array(Tuple(String, String))})
                  > uniqExactIf((span_id, at), role IN ('close', 'excuse') AND (dialect, pair) IN {by_count:Array(Tuple(String, String))})
           ) AS is_open
    FROM connection_signals AS s
    WHERE s.at >= fromUnixTimestamp64Nano({since:Int64}) AND s.at <= fromUnixTimestamp64Nano({until:Int64})
      AND (dialect, pair, version) IN {pairs:Array(Tuple(String, String, UInt16))}
    GROUP BY dialect, pair, instance, key
)
GROUP BY service, instance, dialect, pair, pool
ORDER BY service, instance, dialect, pair, pool
