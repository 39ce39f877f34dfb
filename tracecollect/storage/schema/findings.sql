-- What was said of each finding, and when: only ever appended to, so a retraction is a row too.
CREATE TABLE IF NOT EXISTS findings
(
    id           String,
    at           DateTime64(9),
    verdict      LowCardinality(String),
    leaked_count UInt32,
    reason       String,
    finding      String CODEC(ZSTD(1)) -- the whole finding as JSON, as `leaks --json` spells it
)
ENGINE = {engine}
ORDER BY (id, at)
TTL toDateTime(at) + toIntervalDay(365)
SETTINGS {durable}
