"""Answers over HTTP: our JSON API, health, metrics, and a plain page of the findings."""

from tracecollect.web.guard import Access
from tracecollect.web.metrics import Vitals
from tracecollect.web.server import WebServer

__all__ = ["Access", "Vitals", "WebServer"]
