"""How attribute values are spelled."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from otlp_flattener import spell, spell_float
from otlp_strategies import values

from tracecollect.wire.values import spell_bytes, spell_double, spelled


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"),
        (0.1, "0.1"),
        (-2.5, "-2.5"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        (5e-324, "5e-324"),
        (0.0, "0"),
        (-0.0, "-0"),
        (float("nan"), "NaN"),
        (float("-inf"), "-Inf"),
    ],
)
def test_doubles_are_spelled_like_the_exporter_does(number: float, text: str) -> None:
    assert spell_double(number) == spell_float(number) == text


@given(st.floats())
def test_doubles_read_back(number: float) -> None:
    assert repr(float(spell_double(number))) == repr(number)


@given(st.lists(values, max_size=8))
def test_a_column_of_values_is_spelled_like_each_of_them(column: list[AnyValue]) -> None:
    raw = pa.array([one.SerializeToString() for one in column], pa.binary())
    assert spelled(raw).to_pylist() == [spell(one) for one in column]


@given(st.lists(st.binary(max_size=14), max_size=8))
def test_a_column_of_garbage_is_spelled_like_each_of_it(column: list[bytes]) -> None:
    assert spelled(pa.array(column, pa.binary())).to_pylist() == [spell_bytes(one) for one in column]


def test_a_slice_of_a_column_is_spelled_like_the_column() -> None:
    raw = pa.array([AnyValue(int_value=i).SerializeToString() for i in (5, -1, 300)] + [b"\x0a\x01x"], pa.binary())
    assert spelled(raw.slice(1)).to_pylist() == ["-1", "300", "x"]
