"""Our reader of .proto files says what protoc says, and our messages are OTLP's on the wire."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from tracecollect.wire.schema import PACKAGE, SCHEMA_FILE, descriptor, parse_proto, proto_dir

OFFICIAL = {
    "TraceRequest": trace_service_pb2.ExportTraceServiceRequest.DESCRIPTOR,
    "LogsRequest": logs_service_pb2.ExportLogsServiceRequest.DESCRIPTOR,
    "MetricsRequest": metrics_service_pb2.ExportMetricsServiceRequest.DESCRIPTOR,
}
# How a field of ours may differ without being seen on the wire.
LIBERTIES = {("string", "bytes"), ("message", "bytes"), ("enum", "int32")}


def _kind(field):
    return descriptor_pb2.FieldDescriptorProto.Type.Name(field.type)[5:].lower()


def _compare(ours, theirs, seen):
    if ours.full_name in seen:
        return
    seen.add(ours.full_name)
    for field in ours.fields:
        other = theirs.fields_by_number[field.number]
        if ours.name == "Entry" or (ours.name == "PartialSuccess" and field.number == 1):
            continue
        assert field.name == other.name, field.full_name
        assert field.is_repeated == other.is_repeated, field.full_name
        assert (_kind(other), _kind(field)) in LIBERTIES or _kind(field) == _kind(other), field.full_name
        if field.message_type is not None:
            _compare(field.message_type, other.message_type, seen)


@pytest.mark.parametrize("message", OFFICIAL)
def test_our_messages_are_wire_compatible_with_the_official_ones(message: str) -> None:
    seen: set[str] = set()
    _compare(descriptor(message), OFFICIAL[message], seen)
    assert len(seen) > 5


def test_the_answers_are_wire_compatible_for_all_three() -> None:
    for module in (trace_service_pb2, logs_service_pb2, metrics_service_pb2):
        (theirs,) = [
            m for name, m in module.DESCRIPTOR.message_types_by_name.items() if name.endswith("PartialSuccess")
        ]
        ours = descriptor("PartialSuccess")
        assert [(f.number, _kind(f)) for f in ours.fields] == [(1, "int64"), (2, "bytes")]
        assert [(f.number, _kind(f)) for f in theirs.fields] == [(1, "int64"), (2, "string")]


def test_our_reader_builds_what_protoc_builds(tmp_path: Path) -> None:
    protoc = pytest.importorskip("grpc_tools.protoc", reason="grpcio-tools is not installed")
    target = tmp_path / "set.bin"
    arguments = ["protoc", f"-I{proto_dir()}", f"--descriptor_set_out={target}", SCHEMA_FILE]
    assert protoc.main(arguments) == 0
    (compiled,) = descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes()).file
    ours = parse_proto((proto_dir() / SCHEMA_FILE).read_text("utf-8"), SCHEMA_FILE)
    assert ours == compiled


def test_our_package_never_enters_the_pool_that_everybody_shares() -> None:
    descriptor("TraceRequest")
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName(f"{PACKAGE}.TraceRequest")


@pytest.mark.parametrize(
    "text",
    [
        "message A {}",
        'syntax = "proto3"; package a; message A { map<string, string> x = 1; }',
        'syntax = "proto3"; package a; enum A { B = 0; }',
        'syntax = "proto3"; package a; string x = 1;',
    ],
)
def test_what_our_reader_does_not_know_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"x\.proto"):
        parse_proto(text, "x.proto")
