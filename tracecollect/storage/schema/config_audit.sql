-- The effective settings at each start, secrets left out: what changed since the last one can be asked.
CREATE TABLE IF NOT EXISTS config_audit
(
    at      DateTime64(3) DEFAULT now64(3),
    version LowCardinality(String),
    setting LowCardinality(String),
    value   String,
    origin  LowCardinality(String)
)
ENGINE = {engine}
ORDER BY (at, setting)
TTL toDateTime(at) + toIntervalDay(365)
SETTINGS {durable}
