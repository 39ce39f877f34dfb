-- How many rows tell of the keys of a window: at least as many as there are keys.
SELECT count() AS rows
FROM connection_keys
WHERE minute >= toDateTime({first_minute:UInt32}) AND minute < toDateTime({last_minute:UInt32})
