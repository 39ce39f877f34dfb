"""Our columnar OTLP schema: found, read and turned into decoders without protoc."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# A message of a pool of ours, or its class: made at run time, so no checker knows its fields.
Message: TypeAlias = Any
# A ptars message handler.
Handler: TypeAlias = Any

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

SCHEMA_FILE = "tracecollect/wire/v1/otlp_columns.proto"
PACKAGE = "tracecollect.wire.v1"

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "double": _Field.TYPE_DOUBLE,
    "uint64": _Field.TYPE_UINT64,
    "int64": _Field.TYPE_INT64,
    "int32": _Field.TYPE_INT32,
    "fixed64": _Field.TYPE_FIXED64,
    "fixed32": _Field.TYPE_FIXED32,
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "uint32": _Field.TYPE_UINT32,
    "sfixed64": _Field.TYPE_SFIXED64,
    "sint32": _Field.TYPE_SINT32,
}
_RAW_VALUES = {("KeyValue", "value"), ("LogRecord", "body")}
_LINE = re.compile(
    r"(?P<block>message|oneof)\s+(?P<block_name>\w+)\s*\{"
    r"|(?P<close>\})"
    r"|(?P<repeated>repeated\s+)?(?P<type>\w+)\s+(?P<name>\w+)\s*=\s*(?P<number>\d+)\s*;"
)
_HEADER = re.compile(r'syntax = "proto3";\s*package (?P<package>[\w.]+);')


def proto_dir() -> Path:
    """Where the wire contracts are: inside the installed package, in a checkout beside it."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_proto"
    return installed if installed.is_dir() else package.parent / "proto"


def parse_proto(text: str, name: str) -> descriptor_pb2.FileDescriptorProto:
    """Read the subset of proto3 that our schema uses: flat messages, scalar fields, oneofs.

    protoc would be a compiler at install time or generated code in the tree; this is forty lines, and a test
    holds them against protoc. Raises ValueError for anything else.
    """
    bare = re.sub(r"//[^\n]*", "", text)
    header = _HEADER.match(bare.strip())
    if header is None:
        raise ValueError(f"{name}: expected syntax and package first")
    file = descriptor_pb2.FileDescriptorProto(name=name, package=header["package"], syntax="proto3")
    body = bare.strip()[header.end() :]
    message: descriptor_pb2.DescriptorProto | None = None
    oneof = -1
    position = 0
    while position < len(body):
        if body[position].isspace():
            position += 1
            continue
        found = _LINE.match(body, position)
        if found is None or (message is None and found["block"] != "message"):
            raise ValueError(f"{name}: cannot read {body[position : position + 40]!r}")
        position = found.end()
        if found["block"] == "message":
            message = file.message_type.add(name=found["block_name"])
        elif message is None:
            raise ValueError(f"{name}: a field outside of a message")
        elif found["block"] == "oneof":
            oneof = len(message.oneof_decl)
            message.oneof_decl.add(name=found["block_name"])
        elif found["close"] and oneof >= 0:
            oneof = -1
        elif found["close"]:
            message = None
        else:
            _add_field(message, found, oneof, header["package"])
    return file


def _add_field(message: descriptor_pb2.DescriptorProto, found: re.Match[str], oneof: int, package: str) -> None:
    field = message.field.add(
        name=found["name"],
        number=int(found["number"]),
        label=_Field.LABEL_REPEATED if found["repeated"] else _Field.LABEL_OPTIONAL,
        json_name=re.sub(r"_(\w)", lambda m: m[1].upper(), found["name"]),
    )
    if found["type"] in _SCALARS:
        field.type = _SCALARS[found["type"]]
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{package}.{found['type']}"
    if oneof >= 0:
        field.oneof_index = oneof


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    # A pool of our own: the default one belongs to whoever else speaks protobuf in this process.
    pool = descriptor_pool.DescriptorPool()
    text = (proto_dir() / SCHEMA_FILE).read_text("utf-8")
    pool.AddSerializedFile(parse_proto(text, SCHEMA_FILE).SerializeToString())
    return pool


@cache
def _strict_pool() -> descriptor_pool.DescriptorPool:
    # The same messages with every AnyValue spelled out to its depth, so that parsing one looks at every byte.
    text = (proto_dir() / SCHEMA_FILE).read_text("utf-8")
    file = parse_proto(text, SCHEMA_FILE)
    for message in file.message_type:
        for field in message.field:
            if (message.name, field.name) in _RAW_VALUES:
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".{PACKAGE}.AnyValue"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


@cache
def strict_class(message: str) -> Message:
    """A message class that refuses whatever is malformed anywhere in the message."""
    return message_factory.GetMessageClass(_strict_pool().FindMessageTypeByName(f"{PACKAGE}.{message}"))


def descriptor(message: str) -> Descriptor:
    """The descriptor of one of our messages, by its short name."""
    return _pool().FindMessageTypeByName(f"{PACKAGE}.{message}")


@cache
def decoder(message: str) -> Handler:
    """The ptars handler that turns many serialized messages into one record batch."""
    from ptars import HandlerPool

    return HandlerPool([descriptor(message).file]).get_for_message(descriptor(message))
