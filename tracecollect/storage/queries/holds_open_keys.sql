-- Keys whose newest opener is unanswered and older than the grace, judged by each pair's open_if. Keys only: facts
-- are fetched for the few that remain. A pair that never closed anything in its process cannot accuse here.
WITH {pairs:Array(String)} AS pairs_, {open_ifs:Array(String)} AS open_ifs_
SELECT instance, dialect, pair, key
FROM connection_signals
WHERE role IN ('open', 'close', 'excuse', 'pin')
  AND at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64})
  AND has(pairs_, concat(dialect, '/', pair, '/', toString(version)))
  AND (instance, dialect, pair) IN
  (
      SELECT instance, dialect, pair
      FROM connection_signals
      WHERE at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64})
        AND has(pairs_, concat(dialect, '/', pair, '/', toString(version)))
      GROUP BY instance, dialect, pair
      HAVING countIf(role = 'close') > 0
  )
GROUP BY instance, dialect, pair, key, version
HAVING max(at) <= fromUnixTimestamp64Nano({until:Int64} - {grace:Int64})
   AND countIf(role = 'open') > 0
   AND maxIf(at, role = 'open') > maxIf(at, role = 'pin')
   AND multiIf(
       transform(concat(dialect, '/', pair, '/', toString(version)), pairs_, open_ifs_, 'never') = 'last',
           maxIf(at, role = 'open') > maxIf(at, role = 'close'),
       transform(concat(dialect, '/', pair, '/', toString(version)), pairs_, open_ifs_, 'never') = 'count',
           uniqExactIf((span_id, at), role = 'open') > uniqExactIf((span_id, at), role IN ('close', 'excuse')),
       transform(concat(dialect, '/', pair, '/', toString(version)), pairs_, open_ifs_, 'never') = 'none',
           countIf(role = 'close') = 0,
       0)
LIMIT {limit:UInt32}
