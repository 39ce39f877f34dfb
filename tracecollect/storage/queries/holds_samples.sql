-- Pool metrics under canonical names, one a data point however often it was delivered. Deltas are added up from the
-- window's beginning: growth is what they can show.
SELECT service, instance, dialect, pool, measure, toUnixTimestamp64Nano(at) AS at_ns, toUnixTimestamp64Nano(max(since)) AS since_ns,
       sum(value_) AS value, arrayDistinct(arrayFlatten(groupArray(ids))) AS trace_ids
FROM
(
    SELECT service, instance, dialect, pool, measure, at, if(delta, toDateTime64(0, 9), since_) AS since, ids,
           if(delta, sum(point) OVER (PARTITION BY service, instance, dialect, pool, measure, series ORDER BY at), point) AS value_
    FROM
    (
        SELECT service, instance, dialect, pool, measure, at, series, max(since) AS since_, any(value) AS point, any(temporality) = 1 AS delta, any(trace_ids) AS ids
        FROM pool_samples
        WHERE at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64})
          AND has({dialects:Array(String)}, concat(dialect, '/', toString(version)))
          AND ({instance:String} = '' OR instance = {instance:String}) AND ({pool:String} = '' OR pool = {pool:String})
        GROUP BY service, instance, dialect, pool, measure, at, series
    )
)
GROUP BY service, instance, dialect, pool, measure, at
ORDER BY instance, pool, measure, at_ns
LIMIT {limit:UInt32}
