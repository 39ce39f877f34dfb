"""Which request took a database connection and never gave it back, where in the code, and who is waiting?

PYTEST_DONT_REWRITE: under `opentelemetry-instrument` the probe is imported before pytest could, and pytest would warn.
"""

__version__ = "0.1.0"
