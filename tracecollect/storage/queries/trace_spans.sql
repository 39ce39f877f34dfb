-- Stored copies of one trace's spans: a stretch of them, or only those with some ids. The hours the trace touched come
-- first from the bloom index on its id.
SELECT TraceId, SpanId, ParentSpanId, SpanName, SpanKind, ServiceName,
       toUnixTimestamp64Nano(Timestamp) AS start_ns, Duration, StatusCode, StatusMessage, Flags,
       ScopeName, ScopeVersion, TraceState, SpanAttributes, ResourceAttributes,
       arrayMap(x -> toUnixTimestamp64Nano(x), Events.Timestamp) AS event_ns, Events.Name AS event_names, Events.Attributes AS event_attributes,
       Links.TraceId AS link_traces, Links.SpanId AS link_spans, Links.Attributes AS link_attributes,
       toUnixTimestamp64Nano(Arrived) AS arrived_ns
FROM otel_traces
WHERE TraceId = {trace_id:String} AND (empty({named:Array(String)}) OR SpanId IN {named:Array(String)})
ORDER BY Timestamp, SpanId
LIMIT {limit:UInt32} OFFSET {skip:UInt32}
SETTINGS max_threads = 1 -- a few granules: threads would only have to be started
