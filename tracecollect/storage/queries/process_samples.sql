-- What processes say of themselves beside their pools, under one name each, old and new spellings. A process with
-- several series of one measure (states of threads, pools of memory) has their sum.
SELECT service, instance, measure, at_ns, sum(value) AS value
FROM
(
    SELECT ServiceName AS service, Instance AS instance,
           multiIf(MetricName IN ('process.open_file_descriptor.count', 'process.unix.file_descriptor.count', 'process.open_file_descriptors', 'process.runtime.cpython.file_descriptors', 'process.files.open.files'), 'files',
                   MetricName IN ('process.open_file_descriptor.limit', 'process.files.max.files'), 'files_limit',
                   MetricName = 'process.database_sockets', 'sockets',
                   MetricName IN ('go.goroutine.count', 'process.runtime.go.goroutines'), 'goroutines',
                   MetricName IN ('process.thread.count', 'jvm.thread.count', 'process.runtime.jvm.threads.count', 'process.runtime.cpython.thread_count', 'process.threads', 'jvm.threads.live'), 'threads',
                   MetricName IN ('go.memory.used', 'process.runtime.go.mem.heap_alloc', 'jvm.memory.used', 'process.runtime.jvm.memory.usage', 'v8js.memory.heap.used', 'process.runtime.cpython.memory'), 'heap', '') AS measure,
           toUnixTimestamp64Nano(TimeUnix) AS at_ns, any(Value) AS value
    FROM (SELECT ServiceName, Instance, MetricName, ScopeName, Attributes, TimeUnix, Value FROM otel_metrics_gauge
          WHERE ServiceName IN {services:Array(String)} AND TimeUnix >= fromUnixTimestamp64Nano({since:Int64}) AND TimeUnix <= fromUnixTimestamp64Nano({until:Int64})
          UNION ALL
          SELECT ServiceName, Instance, MetricName, ScopeName, Attributes, TimeUnix, Value FROM otel_metrics_sum
          WHERE ServiceName IN {services:Array(String)} AND AggregationTemporality = 2
            AND TimeUnix >= fromUnixTimestamp64Nano({since:Int64}) AND TimeUnix <= fromUnixTimestamp64Nano({until:Int64}))
    WHERE measure != '' AND instance IN {instances:Array(String)}
    GROUP BY service, instance, measure, at_ns, MetricName, ScopeName, toString(Attributes)
)
GROUP BY service, instance, measure, at_ns
ORDER BY at_ns
LIMIT {limit:UInt32}
