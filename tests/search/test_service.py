"""The service: what it shows of a run, and that wrong input and attacks get a clear answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from search.config import Config, make_plan
from search.ledger import Ledger
from search.runs import results_of, status_of
from search.service import ServiceSettings, TokenError, Tokens
from search.service.problems import Problem
from tests.search.conftest import begin_scored
from tests.search.service_caller import Caller, settings_of
from workers.methods import METHODS

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)
MANY = f"{{a: &a {'x' * 200_000}, b: [{', '.join(['*a'] * 15_000)}]}}"
"""Few values, but gigabytes as JSON."""
KEYS = "".join(f"key{i}: 1\n" for i in range(5000))
SEARCH = "/v1/searches/demo"


@pytest.fixture(scope="module")
def settings(world, tmp_path_factory) -> ServiceSettings:
    return settings_of(tmp_path_factory.mktemp("service"), world, rate=10_000.0)


@pytest.fixture(scope="module")
def content(world) -> dict[str, Any]:
    """A config as a user sends it: paths are relative to the service's data."""
    return {
        "name": "demo",
        "base": "base",
        "models": {name: name for name in "abc"},
        "methods": ["linear", "ties"],
        "space": {"depth": {"groups": 2}},
        "tasks": "tasks",
        "objectives": {
            "picks": {"task": "pick", "metric": "acc"},
            "text": {"task": "text", "metric": "bits_per_byte"},
        },
        "budget": {"trials": 5},
    }


@pytest.fixture(scope="module")
def ledger(settings, content, world) -> Ledger:
    """The run `demo`: its five baselines are scored, so its budget is spent."""
    path = world / "demo.yaml"
    path.write_text(yaml.safe_dump({**content, "run": str(settings.run("demo"))}))
    return begin_scored(make_plan(path), texts=(3.0, 3.1, 2.9, 3.0, 2.0))


@pytest.fixture(scope="module")
def call(settings, ledger) -> Caller:
    return Caller.of(settings)


# -- what it shows


def test_the_status_is_that_of_the_command_line(call, ledger):
    shown = call("GET", SEARCH).json()
    assert shown.pop("name") == "demo"
    assert shown.pop("job") is None
    assert shown == status_of(ledger)
    listed = call("GET", "/v1/searches").json()
    assert [each["name"] for each in listed["searches"]] == ["demo"]


def test_the_front_is_that_of_the_command_line_and_its_pick_is_named(call, ledger):
    results = results_of(ledger)
    shown = call("GET", f"{SEARCH}/front?pick=best:text").json()
    assert shown.pop("pick") == results.pick("best:text").number
    assert shown.pop("verdicts") == []
    assert shown == json.loads(json.dumps(results.to_json("demo")))


def test_a_condition_is_for_the_front_and_for_trials(call, ledger):
    condition = "text < base.text"
    numbers = [trial.number for trial in results_of(ledger).where(condition).front]
    shown = call("GET", f"{SEARCH}/front", params={"where": condition}).json()
    assert [each["trial"] for each in shown["front"]] == numbers
    found = call("GET", f"{SEARCH}/trials", params={"where": condition}).json()
    assert [each["number"] for each in found["trials"]] == [2, 4]


def test_trials_come_in_pages_and_as_one_parquet_table(call, ledger):
    page = call("GET", f"{SEARCH}/trials?offset=1&limit=2").json()
    assert page["total"] == 5
    known = [json.loads(trial.to_json()) for trial in ledger.trials()]
    assert page["trials"] == known[1:3]
    answer = call("GET", f"{SEARCH}/trials?format=parquet&state=scored")
    table = pq.ParquetFile(pa.BufferReader(answer.content)).read()
    assert table["number"].to_pylist() == [0, 1, 2, 3, 4]
    assert call("GET", f"{SEARCH}/trials/3").json() == known[3]


def test_a_recipe_is_shown_in_words_as_a_file_and_as_maps(call, ledger):
    best = results_of(ledger).pick("best:text")
    shown = call("GET", f"{SEARCH}/recipe?pick=best:text").json()
    assert (shown["trial"], shown["digest"]) == (best.number, best.proposal.digest)
    as_file = call("GET", f"{SEARCH}/recipe?pick=best:text&format=yaml")
    assert as_file.text == best.proposal.recipe.to_yaml() == shown["yaml"]
    assert {each["parameter"] for each in shown["maps"]} == {"weight"}


def test_the_report_is_a_page_that_cannot_act_for_its_reader(call):
    answer = call("GET", f"{SEARCH}/report")
    assert "Pareto front" in answer.text
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "allow-same-origin" not in answer.headers["content-security-policy"]


def test_the_run_is_read_again_only_after_a_change(call, ledger, monkeypatch):
    call("GET", f"{SEARCH}/front")
    view = call.app.state.service.views._views["demo"]
    monkeypatch.setattr("search.results.results.front", lambda _: pytest.fail("computed again"))
    before = view.snapshot
    for _ in range(3):
        assert call("GET", f"{SEARCH}/front").status_code == 200
        view.look_again()
    assert view.snapshot is before


def test_a_stream_sends_the_status_at_once_and_ends_with_the_search(call):
    text = call("GET", f"{SEARCH}/events").text
    first, *_, last = [each for each in text.split("\n\n") if each]
    assert first.startswith("event: status\ndata: {")
    assert json.loads(first.partition("data: ")[2])["state"] == "finished"
    assert last == "event: end\ndata: {}"


def test_every_error_in_a_config_is_answered_at_once(call, content):
    wrong = {**content, "metods": [], "budget": {"trials": 0}, "run": "/tmp/x", "base": "/etc"}
    answer = call("POST", "/v1/searches", content=yaml.safe_dump(wrong))
    assert answer.status_code == 422
    fields = {each["field"] for each in answer.json()["errors"]}
    assert fields == {"metods", "budget.trials", "run", "base"}
    checked = call("POST", "/v1/check", json=wrong).json()
    assert {each["field"] for each in checked["errors"]} == fields


@pytest.mark.parametrize("text", [KEYS, f"x: [{'{trust_remote_code: 1}, ' * 3000}]"])
def test_a_config_with_thousands_of_errors_gets_a_short_answer(call, text):
    answer = call("POST", "/v1/check", content=text)
    assert 100 < len(answer.json()["errors"]) < 250
    assert len(answer.content) < 50_000


def test_a_good_config_has_no_errors_whether_yaml_or_json(call, content):
    as_yaml = call("POST", "/v1/check?deep=true", content=yaml.safe_dump(content))
    assert as_yaml.json()["errors"] == []
    assert call("POST", "/v1/check", json=content).json() == {"errors": [], "warnings": []}
    assert call("POST", "/v1/doctor", json=content).json()["methods"] == ["linear", "ties"]


def test_a_config_becomes_json_and_yaml_again(call, content):
    wrong = {**content, "models": {}, "space": {"dpth": 1.5}, "tasks": None}
    as_json = call("POST", "/v1/convert", content=yaml.safe_dump(wrong)).json()["json"]
    assert as_json == wrong
    as_yaml = call("POST", "/v1/convert", json=as_json).json()["yaml"]
    assert yaml.safe_load(as_yaml) == wrong
    assert list(yaml.safe_load(as_yaml)) == sorted(wrong)  # in the order of the text


def test_the_schema_has_the_methods_and_what_each_does(call):
    methods = call("GET", "/v1/schema").json()["properties"]["methods"]
    named = {each["const"]: each["description"] for each in methods["items"]["oneOf"]}
    assert named == {name: each.summary for name, each in METHODS.items() if name != "passthrough"}
    assert methods["default"] == Config.model_fields["methods"].default


def test_the_schema_is_made_once(call, monkeypatch):
    first = call("GET", "/v1/schema").content
    monkeypatch.setattr(Config, "model_json_schema", lambda: pytest.fail("made again"))
    assert call("GET", "/v1/schema").content == first


def test_a_search_that_no_cluster_takes_is_kept_and_can_be_sent_again(call, content):
    text = yaml.safe_dump({**content, "name": "kept", "budget": {"trials": 8}})
    for _ in range(2):
        answer = call("POST", "/v1/searches", content=text)
        assert answer.status_code in (200, 503)
        assert call("GET", "/v1/searches/kept").json()["state"] == "stopped"
    other = call("POST", "/v1/searches", content=text.replace("trials: 8", "trials: 9"))
    assert (other.status_code, other.json()["field"]) == (409, "name")


def test_health_is_open_and_readiness_says_what_is_missing(call):
    stranger = call.with_token(None)
    assert stranger("GET", "/healthz").json() == {"status": "ok"}
    answer = stranger("GET", "/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (503, "the cluster does not answer")


def test_requests_are_counted_by_route_and_not_by_name(call):
    call("GET", SEARCH)
    text = call("GET", "/metrics").text
    assert 'mergefront_http_requests_total{method="GET",route="/v1/searches/{name}"' in text
    assert "demo" not in text


def test_a_fault_of_the_service_is_an_answer_like_others_and_is_counted(call, monkeypatch):
    monkeypatch.setattr("search.service.snapshots.RunViews.names", lambda _: 1 / 0)
    answer = call("GET", "/v1/searches", raises=False)
    assert (answer.status_code, answer.json()["status"]) == (500, 500)
    assert "division" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    counted = 'mergefront_http_requests_total{method="GET",route="/v1/searches",status="500"} 1.0'
    assert counted in call("GET", "/metrics").text


# -- tokens


def test_a_token_is_stored_only_as_a_hash_and_opens_nothing_once_revoked(tmp_path):
    tokens = Tokens(tmp_path / "tokens")
    token, text = tokens.create("ada", "run", days=1)
    assert tokens.check(text) == token
    (file,) = (tmp_path / "tokens").iterdir()
    assert text.rpartition("_")[2] not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    tokens.revoke(token.id)
    with pytest.raises(TokenError, match="unknown or was revoked"):
        tokens.check(text)


def test_an_admin_makes_and_revokes_tokens_over_http(call):
    made = call("POST", "/v1/tokens", json={"name": "ada", "role": "read"}).json()
    ada = call.with_token(made["token"])
    assert ada("GET", "/v1/me").json()["role"] == "read"
    assert made["token"] not in call("GET", "/v1/tokens").text
    assert call("DELETE", f"/v1/tokens/{made['id']}").status_code == 204
    assert ada("GET", "/v1/me").status_code == 401


def test_every_route_but_health_needs_a_token(call):
    stranger = call.with_token(None)
    for path, methods in call.app.openapi()["paths"].items():
        for method in methods:
            answer = stranger(method.upper(), path.replace("{", "").replace("}", ""))
            is_open = path in ("/healthz", "/readyz")
            assert is_open or answer.status_code == 401, path
    assert stranger("GET", "/v1/openapi.json").status_code == 401


def test_a_role_may_do_no_more_than_its_own(call):
    reader, runner = call.with_role("read"), call.with_role("run")
    for path in (f"{SEARCH}/stop", f"{SEARCH}/resume", f"{SEARCH}/exports", "/v1/searches"):
        answer = reader("POST", path, json={})
        assert answer.status_code == 403
        assert "role run" in answer.json()["fix"]
    assert runner("GET", "/v1/tokens").status_code == 403
    assert runner("POST", "/v1/tokens", json={"name": "x", "role": "admin"}).status_code == 403


# -- bad input and attacks: request, status, part of the answer

Request = tuple[str, str, dict[str, Any]]
OUTSIDE = "outside the folders"
CODE = "runs code"


def get(path: str) -> Request:
    return "GET", SEARCH + path, {}


def post(path: str, **body: Any) -> Request:
    return "POST", SEARCH + path, {"json": body}


def raw(content: str | bytes, path: str = "/v1/searches", kind: str | None = None) -> Request:
    return "POST", path, {"content": content, "headers": {"Content-Type": kind} if kind else {}}


def config(**changes: Any) -> Request:
    """The good config, with these changes."""
    return "POST", "/v1/searches", {"changes": changes}


FUNCTION = {"python": "os:system", "documents": 4, "direction": "maximize"}
ATTACKS: dict[str, tuple[Request, int, str]] = {
    "unknown run": (("GET", "/v1/searches/nothing", {}), 404, "there is no search 'nothing'"),
    "traversal in a name": (("GET", "/v1/searches/..%2F..%2Fetc", {}), 404, "Not Found"),
    "zero byte in a name": (("GET", "/v1/searches/..%00", {}), 422, "name"),
    "line end in a name": (("GET", "/v1/searches/demo%0A", {}), 422, "name"),
    "unknown route": (("GET", "/v1/nothing", {}), 404, "Not Found"),
    "wrong method": (("DELETE", SEARCH, {}), 405, "Method Not Allowed"),
    "unknown trial": (get("/trials/99"), 404, "no finished trial 99"),
    "trial that is no number": (get("/trials/x"), 422, "number"),
    "huge number": (get(f"/trials/{'9' * 400}"), 422, "number"),
    "negative page": (get("/trials?offset=-1"), 422, "offset"),
    "unknown state": (get("/trials?state=lost"), 422, "state"),
    "where that calls": (get("/front?where=open('x')"), 422, "where"),
    "where with a wrong name": (get("/front?where=x>1"), 422, "where"),
    "where too deep": (get(f"/front?where={'(' * 900}1{')' * 900}>0"), 422, "where"),
    "unknown pick": (get("/recipe?pick=luck"), 422, "pick"),
    "pick of no objective": (get("/recipe?pick=best:luck"), 422, "cannot pick"),
    "recipe of no trial": (get("/recipe?trial=99"), 422, "there is no such trial"),
    "no verdict yet": (get("/verdict"), 404, "no verdict"),
    "stop without a cluster": (post("/stop"), 503, "its jobs are not known"),
    "log without a cluster": (get("/logs"), 503, "its jobs are not known"),
    "resume of a spent budget": (post("/resume"), 409, "is over"),
    "impossible budget": (post("/resume", trials=-1), 422, "trials"),
    "endless budget": (raw('{"hours": Infinity}', f"{SEARCH}/resume", "application/json"), 422, ""),
    "unknown key": (post("/resume", trails=9), 422, "trails"),
    "no JSON": (raw("{", f"{SEARCH}/resume", "application/json"), 422, "JSON"),
    "deep JSON": (raw("[" * 90_000, f"{SEARCH}/resume", "application/json"), 400, "parsing"),
    "traversal in an export": (post("/exports", name="../x"), 422, "name"),
    "absolute export": (post("/exports", name="/tmp/x"), 422, "name"),
    "option as a condition": (post("/exports", name="x", where="--force"), 422, "where"),
    "size of a shard that is none": (post("/exports", name="x", max_shard_size="5"), 422, "a size"),
    "endless size of a shard": (
        post("/exports", name="x", max_shard_size="9" * 400 + "GB"),
        422,
        "max_shard_size",
    ),
    "adapter in another dtype": (
        post("/exports", name="x", adapter=True, dtype="float16"),
        422,
        "an adapter is written in float32",
    ),
    "repository without an owner": (post("/exports", name="x", push="merged"), 422, "push"),
    "push without leave": (post("/exports", name="x", push="a/b"), 403, "push"),
    "export of no known job": (get("/exports/x"), 503, "its jobs are not known"),
    "export without a cluster": (post("/exports", name="x"), 503, "dashboard"),
    "verdict without a cluster": (post("/verdict"), 503, "dashboard"),
    "verdict of no known job": (get("/verdict/task"), 503, "its jobs are not known"),
    "no config": (raw(""), 422, "mapping"),
    "list as a config": (raw("[1]"), 422, "mapping"),
    "other type": (raw("x", kind="text/html"), 415, "text/html"),
    "no UTF-8": (raw(b"\xff\xfe"), 422, "cannot be read"),
    "YAML bomb": (raw(BOMB), 422, "more than 20000 values"),
    "alias of itself": (raw("a: &a [*a]"), 422, "alias *a"),
    "deep YAML": (raw("[" * 90_000), 422, "levels"),
    "deep config in JSON": (raw("[" * 90_000, kind="application/json"), 422, "cannot be read"),
    "Python in YAML": (raw("!!python/object/apply:os.system [id]"), 422, "YAML"),
    "impossible date": (raw("name: 2026-13-99"), 422, "YAML"),
    "duplicate key": (raw("name: a\nname: b"), 422, "duplicate key"),
    "duplicate in JSON": (raw('{"a":1,"a":2}', kind="application/json"), 422, "duplicate key"),
    "half a character": (raw('{"name":"\\ud800"}', kind="application/json"), 422, "valid YAML"),
    "comment that JSON loses": (raw("name: a\n# why", "/v1/convert"), 422, "line 2 has a comment"),
    "alias in YAML for a form": (raw("a: &a 1\nb: *a", "/v1/convert"), 422, "the alias *a"),
    "text times aliases": (raw(MANY, "/v1/convert"), 422, "more than 20000 values"),
    "thousands of unknown keys": (raw(KEYS), 422, "more errors"),
    "whole number of 6000 digits": (raw(f"name: 0x{'f' * 5000}"), 422, "more than 1000 digits"),
    "such a number in JSON": (raw(f"name: 0x{'f' * 5000}", "/v1/convert"), 422, "1000 digits"),
    "key of 6000 digits": (raw(f"? 0x{'f' * 5000}\n: 1"), 422, "more than 1000 digits"),
    "number of hours, minutes, seconds": (raw(f"name: 1{':59' * 4000}"), 422, "1000 digits"),
    "fraction of these": (raw(f"name: 1{':59' * 4000}.5"), 422, "300 digits"),
    "no truth value": (raw("name: !!bool x"), 422, "'x' cannot be of type !!bool"),
    "no date": (raw("name: !!timestamp x"), 422, "'x' cannot be of type !!timestamp"),
    "empty number": (raw("name: !!int ''"), 422, "'' cannot be of type !!int"),
    "list as JSON": (raw("[1]", "/v1/convert"), 422, "mapping"),
    "huge body": (raw("x" * 300_000), 413, "larger than"),
    "traversal in a model": (config(base="../../../etc"), 422, OUTSIDE),
    "absolute model": (config(base="/etc"), 422, OUTSIDE),
    "home as a model": (config(base="~/x"), 422, OUTSIDE),
    "nobody's home": (config(base="~nobody-here/x"), 422, "is no path"),
    "zero byte in a model": (config(base="a\0b"), 422, "is no path"),
    "endless name of a model": (config(base="a" * 5000), 422, "too long"),
    "symbolic link": (config(base="link"), 422, OUTSIDE),
    "adapter outside": (config(base="base + /etc"), 422, OUTSIDE),
    "tasks outside": (config(tasks="/etc"), 422, OUTSIDE),
    "recipe outside": (config(recipes=["/etc/passwd"]), 422, OUTSIDE),
    "cache anywhere": (config(merging={"cache": "/tmp/x"}), 422, "merging.cache"),
    "record of trials anywhere": (
        config(track={"type": "tensorboard", "folder": "/tmp/x"}),
        422,
        "track.folder",
    ),
    "record of trials to a stranger": (
        config(track={"type": "mlflow", "uri": "http://169.254.169.254"}),
        422,
        "track.uri",
    ),
    "run anywhere": (config(run="/tmp/x"), 422, "run"),
    "run on a store": (config(run="s3://b/x"), 422, "run"),
    "traversal in the name": (config(name="../x"), 422, "cannot name a search"),
    "number as a name": (config(name=1), 422, "cannot name a search"),
    "model of the hub": (config(base="org/model"), 422, "of the hub"),
    "code of tasks": (config(scoring={"allow_code": ["pick"]}), 422, CODE),
    "a function": (config(objectives={"x": FUNCTION}), 422, CODE),
    "own environment": (config(workers={"runtime_env": {"pip": ["x"]}}), 422, CODE),
    "remote code": (config(base={"path": "base", "trust_remote_code": True}), 422, CODE),
    "revoking by a path": (("DELETE", "/v1/tokens/..%2Fx", {}), 404, "Not Found"),
    "revoking nothing": (("DELETE", "/v1/tokens/0", {}), 404, "no token"),
    "token of no role": (
        ("POST", "/v1/tokens", {"json": {"name": "x", "role": "root"}}),
        422,
        "role",
    ),
}


@pytest.fixture(scope="module")
def link(world) -> Iterator[None]:
    """Out of the folder of the models, which tests of other files share."""
    path = world / "link"
    path.symlink_to("/etc")
    yield
    path.unlink()


@pytest.mark.parametrize("attack", ATTACKS)
def test_bad_input_gets_its_status_and_a_clear_body(call, content, link, attack):
    (method, path, request), status, said = ATTACKS[attack]
    if "changes" in request:
        request = {"content": yaml.safe_dump({**content, **request["changes"]})}
    answer = call(method, path, **request)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert set(found) == {"type", "title", "status", "detail", "field", "fix", "errors"}
    assert found["status"] == status
    assert said in answer.text
    assert "Traceback" not in answer.text


TOKENS = ("", "x", "mf_0123456789abcdef_" + "a" * 43, "mf_../../x_" + "a" * 43, "é" * 50)


@pytest.mark.parametrize("token", TOKENS)
def test_a_wrong_token_opens_nothing_and_is_not_repeated(call, token):
    answer = call.with_token(None)(
        "GET", SEARCH, headers={"Authorization": f"Bearer {token}".encode()}
    )
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert len(token) < 2 or token not in answer.text


def test_wrong_tokens_from_an_address_do_not_lock_out_right_ones(call):
    stranger = call.with_token("x")
    statuses = [stranger("GET", SEARCH).status_code for _ in range(40)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert replace(stranger, token=call.token)("GET", SEARCH).status_code == 200


def test_an_expired_token_says_so(call):
    tokens = call.app.state.service.tokens
    late = call.with_role("admin", days=1e-9)
    answer = late("GET", SEARCH)
    assert answer.status_code == 401
    assert "expired" in answer.json()["detail"]
    assert len(tokens.all()) > 1


def test_a_search_that_runs_is_not_resumed(call, ledger):
    with ledger.driving():
        answer = call("POST", f"{SEARCH}/resume", json={"trials": 9})
    assert (answer.status_code, answer.json()["fix"]) == (409, "stop it first")


def test_a_run_that_is_a_link_to_elsewhere_is_not_there(call, settings, tmp_path, ledger):
    settings.run("linked").symlink_to(ledger.root)
    outside = tmp_path / "secret"
    outside.mkdir()
    (outside / "run.json").write_text("{}")
    settings.run("outside").symlink_to(outside)
    for name in ("outside", "linked"):
        assert call("GET", f"/v1/searches/{name}").status_code == 404


def test_a_damaged_run_hides_no_other(call, settings):
    broken = settings.run("broken")
    broken.mkdir()
    (broken / "run.json").write_text("{")
    call.app.state.service.changed("demo")  # it was driven a moment ago
    assert call("GET", "/v1/searches/broken").status_code == 503
    states = {s["name"]: s["state"] for s in call("GET", "/v1/searches").json()["searches"]}
    assert (states["demo"], states["broken"]) == ("finished", "damaged")


def test_too_many_requests_of_one_token_are_refused(settings, ledger):
    slow = Caller.of(ServiceSettings(settings.root, settings.cluster, rate=0.5))
    assert slow("GET", SEARCH).status_code == 200
    answer = slow("GET", SEARCH)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1


def test_costly_requests_are_limited_sooner_than_cheap_ones(settings, ledger):
    call = Caller.of(ServiceSettings(settings.root, settings.cluster, rate=40.0))
    checks = [call("POST", "/v1/check", json={}).status_code for _ in range(4)]
    assert checks[:2] == [200, 200]
    assert checks[-1] == 429
    assert call("GET", f"{SEARCH}/report").status_code == 429
    assert call("GET", SEARCH).status_code == 200


def test_a_token_holds_a_quarter_of_the_streams_and_a_revoked_one_none(
    settings, content, monkeypatch
):
    call = Caller.of(replace(settings, max_streams=8))
    assert call("POST", "/v1/searches", json={**content, "name": "heard"}).status_code == 503
    service = call.app.state.service
    ada, bob = (service.tokens.create(name, "read")[0] for name in ("ada", "bob"))
    monkeypatch.setattr("search.service.feeds.HEARTBEAT", 0.01)

    async def listen() -> list[bytes]:
        view = await service.views.of("heard")
        streams = [service.feeds.stream(view, ada) for _ in range(2)]
        for each in streams:
            assert (await anext(each)).startswith(b"event: status")
            assert await anext(each) == b": alive\n\n"
        with pytest.raises(Problem, match="of this token"):
            service.feeds.check(ada)
        service.feeds.check(bob)
        service.tokens.revoke(ada.id)
        return [event for each in streams for event in [event async for event in each]]

    assert asyncio.run(asyncio.wait_for(listen(), 30)) == []
    assert service.feeds.open == 0


def test_a_body_in_pieces_is_limited_too(call):
    async def pieces():
        for _ in range(40):
            yield b"x" * 10_000

    assert call("POST", "/v1/searches", content=pieces()).status_code == 413
    assert call("POST", f"{SEARCH}/resume", content=pieces()).status_code == 413


def test_no_answer_lets_other_sites_read_it(call):
    answer = call("GET", SEARCH, headers={"Origin": "https://elsewhere.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"


def test_no_secret_is_in_an_answer_or_a_log(call, caplog):
    caplog.set_level(logging.DEBUG)
    answer = call("POST", "/v1/check", content="base: hf_abcdefgh12345678\n").text
    assert "hf_abcdefgh12345678" not in answer
    assert call.token.rpartition("_")[2] not in caplog.text


def test_an_operator_may_allow_code_and_the_hub(settings, content):
    free = ServiceSettings(
        settings.root, settings.cluster, settings.data, allow_code=True, allow_hub=True
    )
    allowed = {**content, "base": "org/model", "workers": {"runtime_env": {"pip": ["x"]}}}
    errors = Caller.of(free)("POST", "/v1/check", json=allowed).json()["errors"]
    assert errors == []


def test_the_page_is_open_if_it_is_built(settings, monkeypatch, tmp_path: Path):
    (tmp_path / "index.html").write_text("<title>mergefront</title>")
    monkeypatch.setattr("search.service.app.PAGE", tmp_path)
    page = Caller.of(settings).with_token(None)
    assert "mergefront" in page("GET", "/").text
    assert page("GET", "/v1/searches").status_code == 401
    assert page("GET", "/..%2f..%2fetc/passwd").status_code == 404
