-- What a minute says of a key, one row where its signals are several: most questions about all keys need no more.
-- `said_pool` is what its openers and closers say; notes may know an address only.
CREATE TABLE IF NOT EXISTS connection_keys
(
    id         UInt64, -- a hash of the key and of whose it is: grouping by the texts takes twice as long
    service    LowCardinality(String),
    instance   LowCardinality(String),
    dialect    LowCardinality(String),
    version    UInt16,
    pair       LowCardinality(String),
    key        String CODEC(ZSTD(1)),
    minute     DateTime CODEC(Delta, ZSTD(1)),
    said_pool  SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    noted_pool SimpleAggregateFunction(max, String) CODEC(ZSTD(1)),
    opens      SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    closes     SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    acquires   SimpleAggregateFunction(sum, UInt64) CODEC(ZSTD(1)),
    first_at   SimpleAggregateFunction(min, DateTime64(9)) CODEC(Delta, ZSTD(1)),
    last_at    SimpleAggregateFunction(max, DateTime64(9)) CODEC(Delta, ZSTD(1)),
    sign_at    SimpleAggregateFunction(max, DateTime64(9)) CODEC(Delta, ZSTD(1)),
    opened_at  SimpleAggregateFunction(max, DateTime64(9)) CODEC(Delta, ZSTD(1)),
    closed_at  SimpleAggregateFunction(max, DateTime64(9)) CODEC(Delta, ZSTD(1)),
    pinned_at  SimpleAggregateFunction(max, DateTime64(9)) CODEC(Delta, ZSTD(1))
)
ENGINE = {aggregating_engine}
PARTITION BY toDate(minute)
PRIMARY KEY (id, minute)
ORDER BY (id, minute, dialect, pair, version, instance, key, service)
TTL minute + toIntervalSecond({derived})
SETTINGS index_granularity = 8192, {durable}
