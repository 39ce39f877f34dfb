-- Signals of keys as rows of connection_keys.
SELECT {key_id} AS id, service, instance, dialect, version, pair, key, toStartOfMinute(at) AS minute,
       maxIf(toString(pool), role != 'note') AS said_pool, maxIf(toString(pool), role = 'note') AS noted_pool,
       countIf(role = 'open') AS opens, countIf(role = 'close') AS closes, countIf(signal = 'acquired') AS acquires,
       min(at) AS first_at, max(at) AS last_at, maxIf(at, role != 'note') AS sign_at,
       maxIf(at, role = 'open') AS opened_at, maxIf(at, role = 'close') AS closed_at, maxIf(at, role = 'pin') AS pinned_at
FROM connection_signals
