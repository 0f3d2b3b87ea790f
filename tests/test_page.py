"""The service's page in a real browser, over a real service and a search on a real Ray."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from search.service import Tokens
from tests.browser import SECONDS, browser_page, look, tab_to  # noqa: F401 - a fixture
from tests.search.conftest import config, world  # noqa: F401 - fixtures
from tests.test_launch import talking  # noqa: F401 - a fixture
from tests.test_service_ray import free_port, root, serve  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

WAIT = 180 * SECONDS  # a busy machine starts a job slowly
TRIALS = 2000  # more than there is time for: it is stopped
MORE = 10  # when it is resumed


@pytest.fixture
def expected_errors() -> tuple[str, ...]:
    return ("/verdict", "pickles")  # there is no verdict yet, and a condition is wrong


@pytest.fixture
def address(serve, tmp_path) -> Iterator[str]:
    """Of a service with a Ray of its own."""
    service = serve(tmp_path, port := free_port())
    yield f"http://127.0.0.1:{port}"
    service.terminate()
    service.wait()


@pytest.fixture
def config_text(talking) -> str:
    settings = {
        "name": "demo",
        "workers": {"cpus": 1, "max": 1},
        "budget": {"trials": TRIALS},
        "sampler": {"type": "random"},
    }
    content = {**talking, **settings}
    del content["run"]
    content["tasks"] = "tasks"
    return yaml.safe_dump(content)


def test_a_search_is_begun_watched_steered_and_exported_in_a_browser(
    address, root, world, config_text, tmp_path, browser_page
):
    page = browser_page
    shutil.copytree(world / "tasks", tmp_path / "tasks")
    _, token = Tokens(root / "tokens").create("ada", "run")
    page.goto(address)
    sign_in(page, token)
    page.get_by_role("link", name="Begin one.").click()
    begin(page, config_text)
    watch(page)
    trials = stop_and_resume(page)
    pick(page)
    ask_where(page)
    export(page, tmp_path)
    ask_for_the_verdict(page)
    model = exported(page)
    from transformers import AutoModelForCausalLM

    assert AutoModelForCausalLM.from_pretrained(model).num_parameters() > 0
    look(page, tmp_path / "page-search")
    page.get_by_role("link", name="mergefront").click()
    page.get_by_role("row", name="demo").get_by_text(f"{trials} of {trials}").wait_for()
    look(page, tmp_path / "page-list")
    open_with_the_keyboard(page)
    look(page, tmp_path / "page-picked")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Token").wait_for()
    look(page, tmp_path / "page-sign-in")
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0


def sign_in(page: Page, token: str) -> None:
    """With the keyboard alone."""
    tab_to(page, page.get_by_label("Token"))
    page.keyboard.type(token)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Searches").wait_for()
    assert page.evaluate("localStorage.length") == 0


def begin(page: Page, text: str) -> None:
    """Types a config, first with an error."""
    page.get_by_role("button", name="YAML").click()
    box = page.get_by_label("Config, as YAML")
    box.fill(text.replace("linear", "lineer"))
    page.get_by_text("did you mean 'linear'").wait_for()
    submit = page.get_by_role("button", name="Begin the search")
    assert submit.is_disabled()
    box.fill(text)
    page.get_by_text("The text has no error.").wait_for()
    submit.click()
    page.get_by_role("heading", name="demo").wait_for(timeout=60 * SECONDS)


def watch(page: Page) -> None:
    """The front grows without a reload."""
    from playwright.sync_api import expect

    page.evaluate("window.notReloaded = true")
    plot = page.get_by_role("img", name="models on the front")
    plot.wait_for(timeout=WAIT)
    expect(plot).not_to_have_attribute("aria-label", plot.get_attribute("aria-label"), timeout=WAIT)
    assert page.evaluate("window.notReloaded")


def stop_and_resume(page: Page) -> int:
    """With the keyboard alone; how many trials the search has in the end."""
    from playwright.sync_api import expect

    tab_to(page, page.get_by_role("button", name="Stop…"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("dialog").get_by_role("button", name="Stop"))
    page.keyboard.press("Enter")
    page.get_by_text("The search does not run.").wait_for(timeout=WAIT)
    shown = page.get_by_label("Progress").get_by_text(f"of {TRIALS} trials").inner_text()
    trials = int(re.match(r"\d+", shown)[0]) + MORE
    resume = page.get_by_role("button", name="Resume…")
    expect(resume).to_be_enabled(timeout=WAIT)  # once its job has ended
    tab_to(page, resume)
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("dialog").get_by_label("Trials"))
    page.keyboard.type(str(trials))
    page.keyboard.press("Enter")
    page.get_by_text("The search is finished.").wait_for(timeout=WAIT)
    page.get_by_label("Progress").get_by_text(f"{trials} of {trials} trials").wait_for()
    return trials


def pick(page: Page) -> None:
    """Chooses a trial with the keyboard; a pointer on a point shows its recipe."""
    trial = page.get_by_role("radio", name="pick trial").last
    number = trial.get_attribute("aria-label").removeprefix("pick trial ")
    trial.focus()
    trial.press("Space")
    page.get_by_role("heading", name=f"Trial {number}, picked by you").wait_for()
    page.get_by_text("Not tested yet").wait_for()
    page.locator(f'svg .front circle[data-trial="{number}"]').hover()
    page.locator(".tip li").first.wait_for()
    page.locator(".heat").first.wait_for()


def ask_where(page: Page) -> None:
    """A box over the plot becomes a condition; a wrong one is explained."""
    plot = page.locator(".plot svg")
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    where = page.get_by_role("region", name="Front", exact=True).get_by_label("Where")
    page.mouse.move(box["x"] + 80, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    assert "picks >= " in where.input_value()
    assert " and text <= " in where.input_value()
    where.fill("pickles > 1")
    page.get_by_role("alert").get_by_text("pickles").wait_for()
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("alert").wait_for(state="detached")


def export(page: Page, folder: Path) -> None:
    """Begins to export the picked trial."""
    page.get_by_role("button", name="Export…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill("chosen")
    look(page, folder / "page-dialog")
    dialog.get_by_role("button", name="Export").click()
    page.locator(".exports li", has_text="chosen").wait_for()


def ask_for_the_verdict(page: Page) -> None:
    """Has the pick tested on documents that the search has not seen."""
    page.get_by_role("button", name="Test on unseen documents").click()
    page.get_by_role("dialog").get_by_role("button", name="Test").click()
    table = page.get_by_role("region", name="verdict on picks")
    table.wait_for(timeout=WAIT)
    assert table.get_by_role("row", name="base").is_visible()


def exported(page: Page) -> str:
    """The path of the model, once it is there."""
    done = page.locator(".exports li", has_text="chosen").filter(has_text="done")
    done.wait_for(timeout=WAIT)
    return done.locator("code").inner_text()


def open_with_the_keyboard(page: Page) -> None:
    """From the list to a search, and there through the front and the trials."""
    tab_to(page, page.get_by_role("link", name="demo"))
    page.keyboard.press("Enter")
    front = page.get_by_role("region", name="Models of the front")
    chosen = front.get_by_role("radio", checked=True)
    before = chosen.get_attribute("aria-label")
    tab_to(page, chosen)
    page.keyboard.press("ArrowDown")
    after = front.get_by_role("radio", checked=True).get_attribute("aria-label")
    assert after != before
    page.get_by_role("heading", name=f"Trial {after.rpartition(' ')[2]}, picked by you").wait_for()
    trial = page.get_by_role("button", name="show trial").nth(1)
    number = trial.inner_text()
    tab_to(page, trial)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=f"Trial {number}, picked by you").wait_for()
