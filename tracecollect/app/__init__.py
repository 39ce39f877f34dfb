"""Joins the parts: the only package that names concrete ones. Opens them in order, closes them in reverse.

    data directory → web socket → store → journal → pipeline → judge → receiver process → web server

The main thread only waits for signals: a Python signal handler has to wait for a native call on its own thread,
and an engine call may take seconds. Everything is loaded when it is opened: `--help` imports no engine.
"""

from tracecollect.app.parts import sending
from tracecollect.app.reading import import_files, open_answers, open_file
from tracecollect.app.server import Server, serve

__all__ = ["Server", "import_files", "open_answers", "open_file", "sending", "serve"]
