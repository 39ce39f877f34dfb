"""Seeded worlds of services, pools and leaks: what really happened, and what a library would have said of it."""
