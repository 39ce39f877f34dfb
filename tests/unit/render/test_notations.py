"""Every notation keeps the renderer's contract for every example and for labels that mean harm."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from contract.renderer import READERS, RendererContract, hostile_graph, hostile_timeline

from tracecollect import render
from tracecollect.diagrams import Diagram, Graph, Timeline, axis
from tracecollect.render.examples import examples

DIAGRAMS: Mapping[str, Diagram] = {
    "nothing as a timeline": Timeline("", "", axis(0, 0, clock=False)),
    "nothing as a graph": Graph("", ""),
    **examples(),
    "hostile timeline": hostile_timeline(),
    "hostile graph": hostile_graph(),
}


@pytest.fixture(params=list(DIAGRAMS))
def diagram(request) -> Diagram:
    return DIAGRAMS[request.param]


@pytest.fixture(params=list(render.NOTATIONS))
def notation(request) -> str:
    return request.param


class TestEveryNotation(RendererContract):
    pass


def test_every_notation_has_a_reader_that_judges_it():
    assert READERS.keys() == render.NOTATIONS.keys()
