-- Who was heard of, minute by minute: liveness, capability, and what is blind because its scope says nothing.
CREATE TABLE IF NOT EXISTS instances
(
    service  LowCardinality(String),
    instance LowCardinality(String),
    scope    LowCardinality(String),
    source   LowCardinality(String), -- traces, logs or metrics
    minute   DateTime,
    items    SimpleAggregateFunction(sum, UInt64),
    systems  SimpleAggregateFunction(groupUniqArrayArray, Array(String)),
    first_at SimpleAggregateFunction(min, DateTime64(9)),
    last_at  SimpleAggregateFunction(max, DateTime64(9)),
    arrived  SimpleAggregateFunction(max, DateTime64(9))
)
ENGINE = {aggregating_engine}
PARTITION BY toDate(minute)
ORDER BY (instance, scope, source, minute, service)
TTL minute + toIntervalSecond({derived})
SETTINGS index_granularity = 8192, {durable}
