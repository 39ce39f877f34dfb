"""Wire bytes to Arrow columns, and our errors to the wire's own."""
