"""What a gRPC server says of itself: its health, and its services to who asks for them (grpcurl and its like)."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from tracecollect.errors import Rejected
from tracecollect.receivers.grpc import Message, Method
from tracecollect.wire.packing import unpack

HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
_ALPHA = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"].full_name
# The same messages under another name; grpcurl asks there first.
REFLECTION = ("grpc.reflection.v1.ServerReflection", _ALPHA)
_LONGEST = 64 << 10
_STATUS = health_pb2.HealthCheckResponse


def about(services: Collection[str]) -> dict[str, Method]:
    """The methods by path. Who is served is healthy: the port opens when everything is ready, and closes first."""
    names = {"", HEALTH, *REFLECTION, *services}

    async def check(message: Message) -> bytes:
        if _asked(message, health_pb2.HealthCheckRequest).service not in names:
            raise Rejected("no service of that name is served here")
        return _said(_STATUS.SERVING)

    async def watch(message: Message) -> bytes:
        known = _asked(message, health_pb2.HealthCheckRequest).service in names
        return _said(_STATUS.SERVING if known else _STATUS.SERVICE_UNKNOWN)

    async def reflect(message: Message) -> bytes:
        request = _asked(message, reflection_pb2.ServerReflectionRequest)
        return bytes(
            next(_reflection(tuple(names - {""})).ServerReflectionInfo(iter([request]), None)).SerializeToString()
        )

    reflecting = {f"/{one}/ServerReflectionInfo": Method(reflect, many=True) for one in REFLECTION}
    return {
        f"/{HEALTH}/Check": Method(check),
        f"/{HEALTH}/Watch": Method(watch, many=True, farewell=_said(_STATUS.NOT_SERVING)),
        **reflecting,
    }


@cache
def _reflection(names: tuple[str, ...]) -> Any:  # noqa: ANN401 -- the package has no types
    from grpc_reflection.v1alpha.reflection import ReflectionServicer  # brings gRPC itself with it

    return ReflectionServicer(names)


def _asked(message: Message, kind: Any) -> Any:  # noqa: ANN401 -- generated classes have no types
    try:
        return kind.FromString(unpack(message.body, message.encoding, _LONGEST))
    except DecodeError as error:
        raise Rejected(f"not a {kind.DESCRIPTOR.name}: {error}") from error


def _said(status: int) -> bytes:
    return bytes(_STATUS(status=status).SerializeToString())
