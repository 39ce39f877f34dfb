-- How each table's text reads now: tells whether the retention was changed since.
SELECT name, create_table_query AS text FROM system.tables WHERE database = currentDatabase()
