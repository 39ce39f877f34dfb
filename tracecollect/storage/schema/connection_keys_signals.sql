-- What was said of each key, minute by minute.
CREATE MATERIALIZED VIEW IF NOT EXISTS connection_keys_signals TO connection_keys AS
{key_minutes}
GROUP BY service, instance, dialect, version, pair, key, minute
