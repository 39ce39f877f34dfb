"""The description of the API, held against what is really answered to questions that nobody would write by hand."""

from __future__ import annotations

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from known_answers import FINDING, TRACE
from schemathesis.checks import CHECKS, load_all_checks

from tracecollect.web import api, live, openapi

EACH = 10
CHECKED = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
DESCRIBED = openapi.description(api.QUESTIONS)
# Events never end; they are tested where they are listened to.
PATHS = sorted(set(DESCRIBED["paths"]) - {"/live"})
# Values that exist, so that not every question ends at an id that does not.
KNOWN = {
    "id": TRACE,
    "subject": FINDING.id,
    "name": "db/one",
    "first": TRACE,
    "second": TRACE,
    "span_id": "00f067aa0ba902b7",
}

load_all_checks()


@pytest.fixture(scope="module")
def schema():
    return schemathesis.openapi.from_dict(DESCRIBED)


@pytest.mark.parametrize("path", PATHS)
@settings(
    max_examples=EACH, deadline=None, database=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck)
)
@given(data=st.data())
def test_whatever_is_asked_the_answer_is_as_described(server, schema, path, data):
    case = data.draw(schema[path]["GET"].as_strategy())
    if data.draw(st.booleans()):
        case.path_parameters = {name: KNOWN[name] for name in case.path_parameters or {}}
    response = case.call(base_url=server.url + "/api/v1")
    case.validate_response(response, checks=CHECKS.get_by_names(CHECKED))


def test_every_question_is_described_with_its_parameters(server):
    document = httpx.get(server.url + "/api/v1/openapi.json").json()
    wanted = {path.replace(":path", ""): set(one.parameters) for path, one in api.QUESTIONS.items()}
    wanted["/live"] = set(live.PARAMETERS)
    told = {
        path: {one["name"] for one in item["get"]["parameters"] if one["in"] == "query"}
        for path, item in document["paths"].items()
    }
    assert told == wanted
