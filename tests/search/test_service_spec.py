"""Any request that the description of the API allows or forbids, and any config: none fails."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from tests.search.job_client import JobClient
from tests.search.service_caller import Caller
from tests.search.test_service_client import content, ledger, service  # noqa: F401 - fixtures

KNOWN = {"name": "far", "number": 1, "export": "x", "token_id": "0" * 16}
"""What is there, beside the names that are made up."""
PROMISES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
examples = settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@pytest.fixture
def call(service, ledger, monkeypatch) -> Caller:
    """A service whose cluster takes every job and runs none."""
    client = JobClient()
    monkeypatch.setattr("workers.pool.jobs.JobSubmissionClient", lambda _: client)
    return Caller.of(service)


def operations(call: Caller) -> Iterator[APIOperation]:
    headers = {"Authorization": f"Bearer {call.token}"}
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", call.app, headers=headers)
    for each in schema.get_all_operations():
        yield each.ok()


def cases(operation: APIOperation) -> st.SearchStrategy[Case]:
    """Right and wrong values, half of them of what is there."""
    names = {each.name for each in operation.path_parameters}
    known = {name: value for name, value in KNOWN.items() if name in names}
    right = operation.as_strategy()
    found = [right, operation.as_strategy(path_parameters=known)] if known else [right]
    if names or operation.query or operation.body:
        found.append(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    return st.one_of(*found)


def test_the_service_keeps_what_the_description_of_its_api_promises(call):
    load_all_checks()
    checks = [CHECKS.get_one(name) for name in PROMISES]
    headers = {"Authorization": f"Bearer {call.token}"}
    asked = set()
    for operation in operations(call):

        @examples
        @given(case=cases(operation))
        def ask(case: Case) -> None:
            answer = case.call(headers=headers)
            asked.add((operation.label, answer.status_code))  # noqa: B023
            case.validate_response(answer, checks=checks)

        ask()
    assert {label for label, _ in asked} == {each.label for each in operations(call)}
    assert {200, 201, 202, 404, 409, 422} <= {status for _, status in asked}


@examples
@given(data=st.data())
def test_no_config_makes_the_service_fail(service, ledger, content, data):
    """What the service raises is raised here."""
    call = _callers.setdefault(service.root, Caller.of(service))
    key = data.draw(st.sampled_from([*content, "merge", "sampler", "space", "workers"]))
    changed = {**content, "name": "x", key: data.draw(ANYTHING)}
    path = data.draw(st.sampled_from(["/v1/searches", "/v1/check", "/v1/check?deep=true"]))
    answer = call("POST", path, json=changed)
    assert answer.status_code < 500 or answer.status_code == 503
    if answer.is_error:
        assert set(answer.json()) >= {"type", "title", "status", "detail"}


_callers: dict[Any, Caller] = {}
