-- Every instance heard of in the window.
SELECT service, instance, sumIf(items, source = 'traces') AS spans,
       toUnixTimestamp64Nano(min(first_at)) AS first_ns, toUnixTimestamp64Nano(max(last_at)) AS last_ns,
       arraySort(groupUniqArrayIf(scope, scope != '')) AS scopes
FROM instances
WHERE minute >= toStartOfMinute(fromUnixTimestamp64Nano({since:Int64})) AND minute < fromUnixTimestamp64Nano({until:Int64})
GROUP BY service, instance
ORDER BY service, instance
