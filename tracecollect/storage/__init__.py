"""Where telemetry is kept and asked for: the engine, its tables and questions, and the answers made of them."""
