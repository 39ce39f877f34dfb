-- Who was heard of, through which scope, of which database systems, and when first and last.
SELECT service, instance, scope, sumIf(items, source = 'traces') AS spans, toUnixTimestamp64Nano(min(first_at)) AS first_ns,
       toUnixTimestamp64Nano(max(last_at)) AS last_ns, toUnixTimestamp64Nano(max(arrived)) AS arrived_ns,
       arraySort(groupUniqArrayArray(systems)) AS systems_seen
FROM instances
WHERE minute >= toStartOfMinute(fromUnixTimestamp64Nano({since:Int64})) AND minute <= fromUnixTimestamp64Nano({until:Int64})
GROUP BY service, instance, scope
ORDER BY service, instance, scope
