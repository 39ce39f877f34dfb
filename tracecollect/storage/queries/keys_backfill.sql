-- The keys of signals that were stored before connection_keys was there.
INSERT INTO connection_keys (id, service, instance, dialect, version, pair, key, minute, said_pool, noted_pool, opens, closes, acquires,
                             first_at, last_at, sign_at, opened_at, closed_at, pinned_at)
{key_minutes}
GROUP BY service, instance, dialect, version, pair, key, minute
