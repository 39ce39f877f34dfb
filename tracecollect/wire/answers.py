"""What a sender is answered when its request was taken: export responses in protobuf and JSON."""

from __future__ import annotations

import json

from tracecollect.ports import Receipt, Telemetry
from tracecollect.wire.schema import strict_class

_REJECTED = {
    Telemetry.TRACES: "rejectedSpans",
    Telemetry.METRICS: "rejectedDataPoints",
    Telemetry.LOGS: "rejectedLogRecords",
}
# The whole answer may have 4 MiB; nobody reads that much.
_LONGEST = 4096


def response(receipt: Receipt) -> bytes:
    """The serialized export response: empty for a full success, a message without a count is a warning."""
    if not receipt.rejected and not receipt.reason:
        return b""
    answer = strict_class("ExportResponse")()
    answer.partial_success.rejected = receipt.rejected
    answer.partial_success.error_message = receipt.reason[:_LONGEST].encode()
    return bytes(answer.SerializeToString())


def json_response(telemetry: Telemetry, receipt: Receipt) -> bytes:
    """The same in OTLP/JSON: 64-bit integers are strings."""
    if not receipt.rejected and not receipt.reason:
        return b"{}"
    said = {_REJECTED[telemetry]: str(receipt.rejected)} if receipt.rejected else {}
    return json.dumps({"partialSuccess": said | {"errorMessage": receipt.reason[:_LONGEST]}}).encode()
