"""The one table from our errors to what the wire says: may the sender retry, and when.

OTLP: over gRPC a sender retries CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE and DATA_LOSS, and
RESOURCE_EXHAUSTED only where RetryInfo comes with it; over HTTP 429, 502, 503 and 504. Of these we say only
UNAVAILABLE with RetryInfo, which is 503 with Retry-After: everything else is final.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from google.protobuf import json_format
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status

from tracecollect.errors import Busy, NotAllowed, Rejected, StoreFull, TooLarge, TracecollectError


@dataclass(frozen=True, slots=True)
class WireStatus:
    """An answer to a sender. `grpc` is the canonical code's number; `retry_after` is None where retrying is no use."""

    grpc: int
    http: int
    message: str
    retry_after: float | None = None
    hint: str = ""

    @property
    def name(self) -> str:
        """The canonical name of the code, as metrics and people spell it."""
        return _NAMES[self.grpc]

    @property
    def retry_seconds(self) -> int:
        """What `Retry-After` says: whole seconds, at least one."""
        return max(1, math.ceil(self.retry_after or 0))

    def details(self) -> bytes:
        """A serialized google.rpc.Status: RetryInfo where the sender should come again, BadRequest for bad data."""
        return bytes(self._status().SerializeToString())

    def json(self) -> str:
        """The same in OTLP/JSON."""
        return str(json_format.MessageToJson(self._status(), indent=None))

    def _status(self) -> Status:
        status = Status(code=self.grpc, message=self.message)
        if self.retry_after is not None:
            whole = math.floor(self.retry_after)
            _add(status, RetryInfo(retry_delay=Duration(seconds=whole, nanos=int((self.retry_after - whole) * 1e9))))
        elif self.grpc == _INVALID:
            _add(
                status, BadRequest(field_violations=[BadRequest.FieldViolation(description=self.hint or self.message)])
            )
        return status


def _add(status: Status, detail: RetryInfo | BadRequest) -> None:
    packed = AnyMessage()
    packed.Pack(detail)
    status.details.append(packed)


_INVALID = 3
_NAMES = {
    0: "OK",
    _INVALID: "INVALID_ARGUMENT",
    8: "RESOURCE_EXHAUSTED",
    13: "INTERNAL",
    14: "UNAVAILABLE",
    16: "UNAUTHENTICATED",
}
_FULL_RETRY_SECONDS = 5.0


def wire_status(error: Exception) -> WireStatus:
    """How an error is answered."""
    match error:
        case TooLarge():
            return WireStatus(8, 413, error.message)
        case NotAllowed():
            return WireStatus(16, 401, error.message)
        case Rejected():
            return WireStatus(_INVALID, 400, error.message, hint=error.hint)
        case Busy():
            return WireStatus(14, 503, error.message, error.retry_after)
        case StoreFull():
            return WireStatus(14, 503, error.message, _FULL_RETRY_SECONDS)
        case TracecollectError():
            return WireStatus(13, 500, error.message)
        case _:
            # What went wrong inside is for our log, not for strangers.
            return WireStatus(13, 500, "internal error")
