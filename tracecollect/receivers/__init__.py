"""One transport each: receive, hand over to the sink, then acknowledge. They know no store."""
