-- A request begins here: a server's or a consumer's span, a root, or one called from another process. A client span
-- without a parent is a statement, not a request: it owns nothing.
(SpanKind IN ('Server', 'Consumer') OR SpanKind NOT IN ('Client', 'Producer') AND (ParentSpanId = '' OR bitAnd(Flags, 768) = 768))
