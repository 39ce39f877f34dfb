-- Pool metrics under their canonical names, one row a data point. `since` is the start of a cumulative series
-- (it moves when the process restarts), `series` tells apart what shares a pool's name.
CREATE TABLE IF NOT EXISTS pool_samples
(
    service     LowCardinality(String),
    instance    LowCardinality(String),
    dialect     LowCardinality(String),
    version     UInt16,
    pool        LowCardinality(String),
    measure     LowCardinality(String),
    at          DateTime64(9) CODEC(Delta, ZSTD(1)),
    since       DateTime64(9) CODEC(Delta, ZSTD(1)),
    value       Float64 CODEC(ZSTD(1)),
    temporality Int8,
    series      UInt64 CODEC(ZSTD(1)),
    trace_ids   Array(String) CODEC(ZSTD(1)),
    arrived     DateTime64(9) CODEC(Delta, ZSTD(1))
)
ENGINE = {engine}
PARTITION BY toDate(at)
ORDER BY (instance, pool, measure, at)
TTL toDateTime(at) + toIntervalSecond({derived})
SETTINGS index_granularity = 8192, {durable}
