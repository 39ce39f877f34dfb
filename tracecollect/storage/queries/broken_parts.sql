-- What the engine moved out of the way at start because it could not read it.
SELECT table, name, reason FROM system.detached_parts WHERE database = currentDatabase() AND reason LIKE 'broken%'
