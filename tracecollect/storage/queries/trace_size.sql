-- How many copies of spans are stored of one trace.
SELECT count() AS spans
FROM otel_traces
WHERE TraceId = {trace_id:String}
