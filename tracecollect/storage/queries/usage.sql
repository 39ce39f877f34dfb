-- Where the bytes are: each table with its rows, its size packed and unpacked, and its days.
SELECT table, toUInt64(sum(rows)) AS rows, toUInt64(sum(bytes_on_disk)) AS bytes,
       toUInt64(sum(data_uncompressed_bytes)) AS unpacked, count() AS parts,
       if(min(partition) LIKE '____-__-__', min(partition), '') AS first_day,
       if(max(partition) LIKE '____-__-__', max(partition), '') AS last_day
FROM system.parts
WHERE active AND database = currentDatabase()
GROUP BY table
ORDER BY bytes DESC, table
