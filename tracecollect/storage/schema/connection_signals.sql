-- What the dialects read out of spans and logs: one row a fact about a hold. Filled by the views that
-- lifecycle/compile.py writes; a row belongs to the version of the dialect that wrote it.
CREATE TABLE IF NOT EXISTS connection_signals
(
    service       LowCardinality(String),
    instance      LowCardinality(String),
    dialect       LowCardinality(String),
    version       UInt16,
    pair          LowCardinality(String),
    signal        LowCardinality(String),
    role          LowCardinality(String), -- open, close, excuse, pin or note
    key           String CODEC(ZSTD(1)),
    at            DateTime64(9) CODEC(Delta, ZSTD(1)),
    started       DateTime64(9) CODEC(Delta, ZSTD(1)),
    trace_id      String CODEC(ZSTD(1)),
    span_id       String CODEC(ZSTD(1)),
    parent_id     String CODEC(ZSTD(1)),
    pool          LowCardinality(String),
    connection_id String CODEC(ZSTD(1)),
    name          LowCardinality(String),
    statement     String CODEC(ZSTD(1)),
    code          LowCardinality(String),
    reason        LowCardinality(String),
    fresh         UInt8 DEFAULT 2, -- the borrow opened a new connection: 0 no, 1 yes, 2 unknown
    arrived       DateTime64(9) CODEC(Delta, ZSTD(1)),
    INDEX idx_trace_id trace_id TYPE bloom_filter(0.001) GRANULARITY 1
)
ENGINE = {engine}
PARTITION BY toDate(at)
ORDER BY (dialect, pair, instance, key, at)
TTL toDateTime(at) + toIntervalSecond({derived})
SETTINGS index_granularity = 1024, {durable}
