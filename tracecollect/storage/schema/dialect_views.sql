-- Which text each compiled view has, and how far back its dialects were applied to what was stored before.
CREATE TABLE IF NOT EXISTS dialect_views
(
    source     LowCardinality(String),
    sha256     String,
    dialects   Array(String), -- name/version
    applied_at DateTime64(3) DEFAULT now64(3)
)
ENGINE = {engine}
ORDER BY (source, applied_at)
SETTINGS {durable}
