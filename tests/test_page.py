"""The service's page in a real browser, over a real service and a search on a real Ray."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from search.service import Tokens
from tests.search.conftest import config, world  # noqa: F401 - fixtures
from tests.test_launch import talking  # noqa: F401 - a fixture
from tests.test_service_ray import free_port, root, serve  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,  # it depends on the speed of Ray's jobs and of a browser
    pytest.mark.skipif(
        CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium"
    ),
]

SECONDS = 1000.0  # milliseconds
WAIT = 180 * SECONDS  # a busy machine starts a job slowly
TRIALS = 150  # enough to be seen as they come
SIZES = {"wide": (1200, 900), "phone": (390, 844)}


@pytest.fixture
def address(serve, tmp_path) -> Iterator[str]:
    """Of a service with a Ray of its own."""
    service = serve(tmp_path, port := free_port())
    yield f"http://127.0.0.1:{port}"
    service.terminate()
    service.wait()


@pytest.fixture
def browser_page() -> Iterator[Page]:
    """A page whose errors fail the test."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is of the extra dev")
    with playwright.sync_playwright() as driver:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.extend(unexpected(message)))
        yield page
        browser.close()
    assert errors == []


def unexpected(message: Any) -> list[str]:
    """Errors of the console, but for two answers: no verdict yet, and a wrong condition."""
    asked = message.location.get("url", "")
    if message.type != "error" or "/verdict" in asked or "pickles" in asked:
        return []
    return [f"{message.text} ({message.location})"]


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


def test_a_search_is_begun_watched_and_exported_in_a_browser(
    browser_page, address, root, world, config_text, tmp_path
):
    page = browser_page
    shutil.copytree(world / "tasks", tmp_path / "tasks")
    _, token = Tokens(root / "tokens").create("ada", "run")
    sign_in(page, address, token)
    page.get_by_role("link", name="Begin one.").click()
    begin(page, config_text)
    watch(page)
    pick(page)
    ask_where(page)
    model = export(page)
    ask_for_the_verdict(page)
    from transformers import AutoModelForCausalLM

    assert AutoModelForCausalLM.from_pretrained(model).num_parameters() > 0
    page.get_by_role("link", name="mergefront").click()
    page.get_by_role("row", name="demo").get_by_text(f"{TRIALS} of {TRIALS}").wait_for()
    for view in ("#/", "#/new", "#/searches/demo"):
        look(page, f"{address}/{view}", tmp_path / f"page-{view.split('/')[1] or 'list'}")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Token").wait_for()
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0


def sign_in(page: Page, address: str, token: str) -> None:
    page.goto(address)
    page.get_by_label("Token").fill(token)
    page.get_by_label("Token").press("Enter")
    page.get_by_role("heading", name="Searches").wait_for()
    assert page.evaluate("localStorage.length") == 0


def begin(page: Page, text: str) -> None:
    """Types a config, first with an error."""
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
    """The front grows without a reload, until the search ends."""
    page.evaluate("window.notReloaded = true")
    plot, seen = page.get_by_role("img", name="models on the front"), set()
    plot.wait_for(timeout=WAIT)
    deadline = time.monotonic() + WAIT / SECONDS
    while page.get_by_text("The search is finished.").count() == 0:
        assert time.monotonic() < deadline, "the search does not end"
        seen.add(plot.get_attribute("aria-label"))
        page.wait_for_timeout(200)
    page.get_by_label("Progress").get_by_text(f"{TRIALS} of {TRIALS} trials").wait_for()
    assert len(seen) > 1, "the plot did not change while the search ran"
    assert page.evaluate("window.notReloaded")


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


def export(page: Page) -> str:
    """Exports the picked trial; the path of the model."""
    page.get_by_role("button", name="Export…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill("chosen")
    dialog.get_by_role("button", name="Export").click()
    done = page.locator(".exports li", has_text="chosen").filter(has_text="done")
    done.wait_for(timeout=WAIT)
    return done.locator("code").inner_text()


def ask_for_the_verdict(page: Page) -> None:
    """Has the pick tested on documents that the search has not seen."""
    page.get_by_role("button", name="Test on unseen documents").click()
    page.get_by_role("dialog").get_by_role("button", name="Test").click()
    table = page.get_by_role("region", name="verdict on picks")
    table.wait_for(timeout=WAIT)
    assert table.get_by_role("row", name="base").is_visible()


def look(page: Page, url: str, picture: Path) -> None:
    """Pictures of a view in every size, light and dark; nothing is wider than the window."""
    page.goto(url)
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(700)
            page.screenshot(path=f"{picture}-{size}-{scheme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": 1200, "height": 900})
