-- The number of the newest block of a table. They are numbered as they come; only one process writes.
SELECT max(max_block_number) AS block FROM system.parts WHERE active AND database = currentDatabase() AND table = {table:String}
