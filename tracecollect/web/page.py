"""The page: one document for every address that a person may open, and the files of viz/ that it loads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracecollect.render import css
from tracecollect.render.theme import viz_dir

VIEWS = (
    "/",
    "/findings/{id}",
    "/traces/{id}",
    "/compare/{first}/{second}",
    "/pools",
    "/pools/{name:path}",
    "/services",
    "/search",
    "/live",
)
"""What the page draws. `viz/page/main.js` has the same addresses; a test holds them against each other."""

_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
# Scripts of ours only, and none that text could become: not even our own may write HTML from a string.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    media_type: str


@cache
def _files() -> Mapping[str, _File]:
    """What a browser may load, read once: what is not among them is not there, whatever the path says."""
    root = viz_dir()
    found = {
        path.relative_to(root).as_posix(): _File(path.read_bytes(), _TYPES[path.suffix])
        for path in sorted((root / "page").rglob("*"))
        if path.suffix in _TYPES
    }
    found["theme.json"] = _File((root / "theme.json").read_bytes(), _TYPES[".json"])
    found["theme.css"] = _File(css.spell().encode(), _TYPES[".css"])
    return found


def routes() -> list[Route]:
    """Every address of the page, and its files."""
    files = _files()

    async def page(_: Request) -> Response:
        return _answer(files["page/index.html"])

    async def file(request: Request) -> Response:
        found = files.get(request.path_params["path"])
        if found is None:
            raise HTTPException(404)
        return _answer(found)

    async def favicon(_: Request) -> Response:
        return _answer(files["page/icon.svg"])

    return [
        *(Route(view, page) for view in VIEWS),
        Route("/viz/{path:path}", file),
        Route("/favicon.ico", favicon),
    ]


def missing(request: Request) -> Response | None:
    """The page for an address that leads nowhere, where a browser asks for a page; it says so and leads back."""
    if request.url.path.startswith(("/api/", "/viz/")) or "text/html" not in request.headers.get("accept", ""):
        return None
    return _answer(_files()["page/index.html"], 404)


def _answer(file: _File, status: int = 200) -> Response:
    headers = {"Content-Security-Policy": _POLICY} if file.media_type == _TYPES[".html"] else {}
    return Response(file.body, status, media_type=file.media_type, headers=headers)
