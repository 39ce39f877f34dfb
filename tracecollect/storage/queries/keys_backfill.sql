-- The keys of signals that were stored before connection_keys was there, however many: what does not fit goes to disk.
INSERT INTO connection_keys (id, service, instance, dialect, version, pair, key, minute, said_pool, noted_pool, opens, closes, acquires,
                             first_at, last_at, sign_at, opened_at, closed_at, pinned_at)
{key_minutes}
GROUP BY service, instance, dialect, version, pair, key, minute
SETTINGS max_bytes_before_external_group_by = 500000000, max_bytes_ratio_before_external_group_by = 0
