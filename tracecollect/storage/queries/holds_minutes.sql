-- The minutes in which these processes were heard of through anything: a gap between two is a stream that broke off.
SELECT instance, arraySort(groupUniqArray(toUnixTimestamp(minute))) AS minutes
FROM instances
WHERE instance IN {instances:Array(String)}
  AND minute >= toStartOfMinute(fromUnixTimestamp64Nano({since:Int64})) AND minute <= fromUnixTimestamp64Nano({until:Int64})
GROUP BY instance
