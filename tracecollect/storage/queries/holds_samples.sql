-- Pool metrics under canonical names, one a data point however often it was delivered.
SELECT service, instance, dialect, pool, measure, toUnixTimestamp64Nano(at) AS at_ns, toUnixTimestamp64Nano(max(since)) AS since_ns,
       sum(value_) AS value, max(temporality) AS temporality, arrayDistinct(arrayFlatten(groupArray(ids))) AS trace_ids
FROM
(
    SELECT service, instance, dialect, pool, measure, at, series, max(since) AS since, any(value) AS value_, any(temporality) AS temporality, any(trace_ids) AS ids
    FROM pool_samples
    WHERE at >= fromUnixTimestamp64Nano({since:Int64}) AND at <= fromUnixTimestamp64Nano({until:Int64})
      AND has({dialects:Array(String)}, concat(dialect, '/', toString(version)))
      AND ({instance:String} = '' OR instance = {instance:String}) AND ({pool:String} = '' OR pool = {pool:String})
    GROUP BY service, instance, dialect, pool, measure, at, series
)
GROUP BY service, instance, dialect, pool, measure, at
ORDER BY instance, pool, measure, at_ns
LIMIT {limit:UInt32}
