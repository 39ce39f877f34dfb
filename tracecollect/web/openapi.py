"""The OpenAPI description of /api/v1, out of the questions and the nouns themselves: it cannot say anything else."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import tracecollect
from tracecollect.model import Instant
from tracecollect.web import live
from tracecollect.web.errors import STATUS
from tracecollect.web.questions import PARAMETERS, PREFIX, REPEATED, Drawn, Named, Question

Schema = dict[str, Any]
_FLAGS = frozenset({"fresh", "error", "dark", "traces"})
_NUMBERS = frozenset({"first", "limit", "skip"})
_PLAIN: Mapping[object, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    # Numbers that JSON does not have are spelled as words.
    float: {"anyOf": [{"type": "number"}, {"enum": ["NaN", "Infinity", "-Infinity"]}]},
    type(None): {"type": "null"},
    Instant: {"type": "string", "format": "date-time"},
}

# The times of what is drawn are numbers.
_DRAWN: Mapping[object, Schema] = {**_PLAIN, Instant: {"type": "integer"}}


def description(questions: Mapping[str, Question]) -> Schema:
    """An OpenAPI 3.1 document."""
    nouns = _Nouns()
    paths = {_path(path): _operation(path, question, nouns) for path, question in questions.items()}
    events = {"200": {"description": "what is new", "content": {live.MEDIA: {"schema": {"type": "string"}}}}}
    paths["/live"] = {
        "get": {
            "operationId": "live",
            "summary": "what is new, as server-sent events",
            "parameters": [_parameter(name) for name in live.PARAMETERS],
            "responses": events | _failures(nouns),
        }
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "tracecollect", "version": tracecollect.__version__},
        "servers": [{"url": PREFIX}],
        "paths": paths,
        "components": {"schemas": dict(sorted(nouns.known.items()))},
    }


def _path(path: str) -> str:
    return path.replace(":path", "")


def _operation(path: str, question: Question, nouns: _Nouns) -> Schema:
    inside = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)", path)
    ]
    return {
        "get": {
            "operationId": re.sub(r"\W+", "_", _path(path)).strip("_"),
            "summary": question.about,
            "parameters": inside + [_parameter(name) for name in question.parameters],
            "responses": {
                "200": {"description": question.about, "content": _content(question.answer, nouns)},
                "304": {"description": "the same as the reader has, by If-None-Match"},
                **_failures(nouns),
            },
        }
    }


def _parameter(name: str) -> Schema:
    schema: Schema = {"type": "string"}
    if name in _FLAGS:
        schema = {"enum": ["true", "false"]}
    elif name in _NUMBERS:
        schema = {"type": "integer", "minimum": 0}
    if name in REPEATED:
        schema = {"type": "array", "items": schema}
    return {"name": name, "in": "query", "required": False, "description": PARAMETERS[name], "schema": schema}


def _content(answer: object, nouns: _Nouns) -> Schema:
    if isinstance(answer, tuple):  # media types of what is not JSON of ours
        return {media: {"schema": {}} for media in answer}
    if isinstance(answer, Named):
        parts = {name: nouns.schema(kind) for name, kind in answer.parts.items()}
        return {"application/json": {"schema": {"type": "object", "properties": parts, "required": sorted(parts)}}}
    if isinstance(answer, Drawn):
        return {"application/json": {"schema": _Nouns(nouns.known, _DRAWN).schema(answer.kind)}}
    return {"application/json": {"schema": nouns.schema(answer)}}


def _failures(nouns: _Nouns) -> Schema:
    text = {"type": "string"}
    nouns.known["Error"] = {
        "type": "object",
        "properties": {
            "error": text,
            "message": text,
            "hint": text,
            "candidates": {"type": "array", "items": text},
        },
        "required": ["error", "message", "hint"],
    }
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    said: dict[str, list[str]] = {}
    for kind, status in STATUS.items():
        said.setdefault(str(status), []).append(kind.__name__)
    return {status: {"description": ", ".join(kinds), "content": body} for status, kinds in sorted(said.items())}


class _Nouns:
    """Schemas of the nouns that were met, by name."""

    def __init__(self, known: dict[str, Schema] | None = None, plain: Mapping[object, Schema] = _PLAIN) -> None:
        self.known: dict[str, Schema] = {} if known is None else known
        self._plain = plain

    def schema(self, kind: Any) -> Schema:  # noqa: ANN401 -- any annotation of a noun
        """The schema of a type as `codec` spells it."""
        if kind in self._plain:
            return self._plain[kind]
        origin, inside = typing.get_origin(kind), typing.get_args(kind)
        if origin in (types.UnionType, typing.Union):
            return {"anyOf": [self.schema(one) for one in inside]}
        if origin is tuple:
            return {"type": "array", "items": self.schema(inside[0])}
        if origin is not None and issubclass(origin, Mapping):
            return {"type": "object", "additionalProperties": self.schema(inside[1])}
        return self._named(kind)

    def _named(self, kind: Any) -> Schema:  # noqa: ANN401 -- as above
        name = kind.__name__
        # A diagram's role and a signal's have one name and never meet in one answer's place.
        if name in self.known and self.known[name].get("x-module") != kind.__module__:
            name = f"{kind.__module__.rpartition('.')[2].capitalize()}{name}"
        if name not in self.known:
            self.known[name] = {"x-module": kind.__module__}
            self.known[name] |= self._enumerated(kind) if issubclass(kind, StrEnum) else self._object(kind)
        return {"$ref": f"#/components/schemas/{name}"}

    @staticmethod
    def _enumerated(kind: type[StrEnum]) -> Schema:
        return {"type": "string", "enum": [str(one) for one in kind]}

    def _object(self, kind: Any) -> Schema:  # noqa: ANN401 -- as above
        hints = typing.get_type_hints(kind)
        fields = {one.name: self.schema(hints[one.name]) for one in dataclasses.fields(kind)}
        return {"type": "object", "properties": fields, "required": list(fields)}
