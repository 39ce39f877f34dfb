"""Recordings of what real instrumentation libraries send, with the truth beside them. See docs/recording.md."""
