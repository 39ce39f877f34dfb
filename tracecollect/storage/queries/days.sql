-- The days of the telemetry and what each takes on disk, the oldest first.
SELECT partition AS day, toUInt64(sum(bytes_on_disk)) AS bytes, groupUniqArray(table) AS tables
FROM system.parts
WHERE active AND database = currentDatabase() AND partition LIKE '____-__-__'
GROUP BY partition
ORDER BY partition
