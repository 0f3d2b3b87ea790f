"""A new search from the page's form and from YAML, in a real browser; nothing is begun."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from search.service import Tokens
from tests.browser import browser_page, look  # noqa: F401 - a fixture
from tests.search.conftest import world  # noqa: F401 - a fixture
from tests.search.service_caller import settings_of
from tests.test_service_ray import free_port, until
from workers.methods import METHODS

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.slow

CONFIG = {
    "name": "demo",
    "base": "base",
    "models": {"a": "a", "b": "b"},
    "tasks": "tasks",
    "objectives": {
        "picks": {"task": "pick", "metric": "acc"},
        "text": {"task": "text", "metric": "bits_per_byte"},
    },
    "methods": ["linear", "task_arithmetic", "dare_ties", "slerp"],
    "budget": {"trials": 30, "hours": 0.5},
}
KEPT = {"seed": 5, "space": {"depth": {"groups": 2}}, "budget": {"trials": 30, "scorings": 20.5}}
SHOWN = {
    "kept as they are": {**CONFIG, **KEPT},
    "empty values": {**CONFIG, "budget": None, "tasks": None, "methods": None},
    "wrong values": {"name": 1, "models": {"1": 2}, "objectives": {"x": None}, "budget": {"a": []}},
    "nothing": {},
}
REFUSED = {
    "line 1 has a comment": "# mine\nname: demo",
    "there is the alias *b": "base: &b base\nmodels: {a: *b}",
    "is a date": "name: 2026-11-26",
    "number that JSON has not": "seed: 9007199254740993",
    "at base": "base: {path: base, revision: main}",
    "at models.a": "models: {a: {path: base}}",
    "at objectives.x.task": "objectives: {x: {task: [1]}}",
    "at methods": "methods: ties",
}


@pytest.fixture
def expected_errors() -> tuple[str, ...]:
    return ("/v1/convert", "/v1/searches")  # a form refuses a text, and there is no cluster


@pytest.fixture(scope="module")
def service(world, tmp_path_factory) -> Iterator[tuple[str, str]]:
    """The address of a service without a cluster, and a token."""
    import uvicorn

    from search.service.app import create_app

    settings = settings_of(tmp_path_factory.mktemp("service"), world, rate=10_000.0)
    _, token = Tokens(settings.tokens).create("ada", "run")
    app = create_app(settings)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{port}", token
    server.should_exit = True
    thread.join()


@pytest.fixture
def page(browser_page, service) -> Page:
    """At a new search."""
    address, token = service
    browser_page.goto(f"{address}/#/new")
    browser_page.get_by_label("Token").fill(token)
    browser_page.get_by_label("Token").press("Enter")
    browser_page.get_by_role("group", name="Budget").wait_for()
    return browser_page


def test_a_form_says_at_its_fields_what_is_wrong_and_becomes_yaml(page, tmp_path):
    from playwright.sync_api import expect

    form = Form(page)
    expect(page.get_by_role("status")).to_contain_text("missing or wrong")
    assert page.locator(".wrong").count() == 0  # nothing is wrong before something is written
    look(page, tmp_path / "page-form-empty")
    page.get_by_role("button", name="Begin the search").click()
    expect(page.get_by_label("Name").first).to_be_focused()
    expect(page.get_by_label("Base")).to_have_attribute("aria-invalid", "true")
    form.fill(CONFIG)
    expect(page.get_by_text("The form has no error.")).to_be_visible()
    look(page, tmp_path / "page-form-filled")

    form.field("model 2", "Name").fill("2b")
    form.field("model 2", "Folder or hub id").fill("nowhere")
    form.field("objective 1", "Metric").fill("")
    page.get_by_label("Trials").fill("many")
    expect(form.field("model 2", "Name")).to_have_accessible_description(
        "'2b' cannot be a name; it must begin with a letter"
    )
    expect(form.field("objective 1", "Name")).to_have_accessible_description(
        "needs a task and a metric, or the mean of several"
    )
    expect(page.get_by_label("Trials")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_text("must be a whole number (got 'many')")).to_be_visible()
    form.field("model 2", "Name").fill("a")
    expect(page.get_by_text("two rows have this name").first).to_be_visible()
    look(page, tmp_path / "page-form-wrong")

    form.fill(CONFIG)
    form.add("model")
    expect(form.field("model 3", "Name")).to_be_focused()
    page.keyboard.type("c")
    page.get_by_role("button", name="Remove model c").press("Enter")
    expect(page.get_by_role("button", name="Add a model")).to_be_focused()
    assert yaml.safe_load(form.as_yaml()) == CONFIG


def test_what_a_form_does_not_show_is_kept_and_named(page, tmp_path):
    form = Form(page)
    form.write(yaml.safe_dump({**CONFIG, **KEPT}, sort_keys=False))
    look(page, tmp_path / "page-yaml")
    page.get_by_role("button", name="Form").click()
    named = page.locator(".kept code")
    named.first.wait_for()
    assert set(named.all_inner_texts()) == {"seed", "space", "budget.scorings"}
    page.get_by_label("Name").first.fill("other")
    assert yaml.safe_load(form.as_yaml()) == {**CONFIG, **KEPT, "name": "other"}


def test_a_config_that_is_not_changed_in_the_form_is_the_same_text_again(page):
    form, text = Form(page), yaml.safe_dump(CONFIG, default_flow_style=True)
    form.write(text)
    page.get_by_role("button", name="Form").click()
    page.get_by_role("group", name="Budget").wait_for()
    assert form.as_yaml() == text


def test_no_value_is_lost_in_fields(page):
    page.evaluate("import('/page/config_fields.js').then(fields => window.fields = fields)")
    for said, content in SHOWN.items():
        assert page.evaluate("each => fields.unshowable(each)", content) == [], said
        there_and_back = "each => fields.contentOf(fields.fieldsOf(each))"
        assert page.evaluate(there_and_back, content) == content, said


def test_yaml_that_is_more_than_a_form_stays_yaml_and_says_why(page):
    form = Form(page)
    for said, text in REFUSED.items():
        form.write(text)
        page.get_by_role("button", name="Form").click()
        page.get_by_role("alert").get_by_text(said).wait_for()
        assert form.box.input_value() == text


def test_a_draft_is_there_again_after_a_reload(page):
    Form(page).fill(CONFIG)
    page.reload()
    page.get_by_role("group", name="Budget").wait_for()
    assert yaml.safe_load(Form(page).as_yaml()) == CONFIG


def test_a_form_is_sent(page, service):
    Form(page).fill(CONFIG)
    page.get_by_text("The form has no error.").wait_for()
    page.get_by_role("button", name="Begin the search").click()
    page.get_by_role("alert").get_by_text("dashboard").wait_for()  # there is no cluster
    page.get_by_role("link", name="Searches").click()
    page.get_by_role("row", name="demo").get_by_text("0 of 30").wait_for()


class Form:
    """What a person does with the form of a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.box = page.get_by_label("Config, as YAML")

    def field(self, row: str, label: str) -> Locator:
        return self.page.get_by_role("group", name=row, exact=True).get_by_label(label)

    def add(self, what: str) -> None:
        self.page.get_by_role("button", name=f"Add a {what}").or_(
            self.page.get_by_role("button", name=f"Add an {what}")
        ).click()

    def fill(self, config: dict[str, Any]) -> None:
        page = self.page
        page.get_by_label("Name").first.fill(config["name"])
        page.get_by_label("Base").fill(config["base"])
        page.get_by_label("Folder of tasks").fill(config["tasks"])
        for number, (name, path) in enumerate(config["models"].items(), start=1):
            self.field(f"model {number}", "Name").fill(name)
            self.field(f"model {number}", "Folder or hub id").fill(path)
        for number, (name, each) in enumerate(config["objectives"].items(), start=1):
            if not page.get_by_role("group", name=f"objective {number}").count():
                self.add("objective")
            self.field(f"objective {number}", "Name").fill(name)
            self.field(f"objective {number}", "Task").fill(each["task"])
            self.field(f"objective {number}", "Metric").fill(each["metric"])
        methods = page.get_by_role("group", name="Methods")
        for name in METHODS.keys() - {"passthrough"}:
            box = methods.get_by_role("checkbox", name=name, exact=True)
            box.set_checked(name in config["methods"])
        page.get_by_label("Trials").fill(str(config["budget"]["trials"]))
        page.get_by_label("Hours").fill(str(config["budget"]["hours"]))

    def as_yaml(self) -> str:
        self.page.get_by_role("button", name="YAML").click()
        self.box.wait_for()
        return self.box.input_value()

    def write(self, text: str) -> None:
        if not self.box.count():
            self.as_yaml()
        self.box.fill(text)
