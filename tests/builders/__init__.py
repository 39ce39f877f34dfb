"""Telemetry made by hand, and the real store that it is put into."""
