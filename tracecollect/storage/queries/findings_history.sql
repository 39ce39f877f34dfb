-- Everything that was said of one finding, oldest first.
SELECT toUnixTimestamp64Nano(at) AS at_ns, verdict, leaked_count, reason
FROM findings
WHERE id = {id:String}
ORDER BY at
