"""Django's own connections: what a request leaves open is Django's, what a thread of the service leaves open is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from database import served

# Of a real service, in a process of its own: Django is set up once a process.
SERVICE = """
import os, sys, threading
from urllib.parse import urlsplit
from wsgiref.util import setup_testing_defaults

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse
from django.urls import path
import tracecollect.probe

place = urlsplit(os.environ["DATABASE_URL"])
database = {"ENGINE": "django.db.backends.postgresql", "HOST": place.hostname, "PORT": place.port,
            "USER": place.username, "NAME": place.path[1:], "CONN_MAX_AGE": eval(sys.argv[1])}
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, DATABASES={"default": database})
probe = tracecollect.probe.install()
said = []

def ask():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")

def view(request):
    ask()
    said.append(len(probe.holds.open()))
    return HttpResponse("fine")

urlpatterns = [path("", view)]
application = get_wsgi_application()

def request():
    environ = {}
    setup_testing_defaults(environ)
    answer = application(environ, lambda *_: None)
    list(answer)
    answer.close()
    said.append(len(probe.holds.open()))

request()
request()
asked = threading.Event()

def job():
    ask()
    asked.set()
    threading.Event().wait()

threading.Thread(target=job, daemon=True).start()
asked.wait()
print(said, *(one.code.function for one in probe.holds.open()), flush=True)
os._exit(0)
"""


@pytest.fixture(scope="module")
def database():
    with served() as dsn:
        yield dsn


@pytest.mark.parametrize(
    ("age", "held"),
    [
        pytest.param("0", [1, 0, 1, 0], id="closed at the end of each request"),
        pytest.param("600", [1, 0, 0, 0], id="kept for ten minutes"),
        pytest.param("None", [1, 0, 0, 0], id="kept for ever"),
    ],
)
def test_what_django_keeps_for_the_next_request_is_nobodys_and_what_a_thread_of_the_service_took_is_its_own(
    database, tmp_path, age, held
):
    service = tmp_path / "service.py"
    service.write_text(SERVICE)
    done = subprocess.run(
        [sys.executable, str(service), age],
        env={**os.environ, "DATABASE_URL": database, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=100,
        cwd=tmp_path,
    )
    assert done.stdout.strip() == f"{held} ask", done.stderr
