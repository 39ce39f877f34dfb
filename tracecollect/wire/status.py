"""The one table from our errors to what the wire says: may the sender retry, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from tracecollect.errors import Busy, Rejected, StoreFull, TooLarge, TracecollectError


@dataclass(frozen=True, slots=True)
class WireStatus:
    """An answer to a sender. `grpc` is the canonical code's number; `retry_after` is None where retrying is no use."""

    grpc: int
    http: int
    message: str
    retry_after: float | None = None

    @property
    def name(self) -> str:
        """The canonical name of the code, as metrics and people spell it."""
        return _NAMES[self.grpc]

    def details(self) -> bytes:
        """A serialized google.rpc.Status, with RetryInfo where the sender should come again."""
        status = Status(code=self.grpc, message=self.message)
        if self.retry_after is not None:
            whole = math.floor(self.retry_after)
            info = RetryInfo(retry_delay=Duration(seconds=whole, nanos=int((self.retry_after - whole) * 1e9)))
            packed = AnyMessage()
            packed.Pack(info)
            status.details.append(packed)
        return bytes(status.SerializeToString())


_NAMES = {0: "OK", 3: "INVALID_ARGUMENT", 8: "RESOURCE_EXHAUSTED", 13: "INTERNAL", 14: "UNAVAILABLE"}
_FULL_RETRY_SECONDS = 5.0


def wire_status(error: Exception) -> WireStatus:
    """How an error is answered. OTLP: only UNAVAILABLE with RetryInfo (503 with Retry-After) asks for a retry."""
    match error:
        case TooLarge():
            return WireStatus(8, 413, error.message)
        case Rejected():
            return WireStatus(3, 400, error.message)
        case Busy():
            return WireStatus(14, 503, error.message, error.retry_after)
        case StoreFull():
            return WireStatus(14, 503, error.message, _FULL_RETRY_SECONDS)
        case TracecollectError():
            return WireStatus(13, 500, error.message)
        case _:
            # What went wrong inside is for our log, not for strangers.
            return WireStatus(13, 500, "internal error")
