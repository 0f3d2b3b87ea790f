"""The system's Chromium, as a page that tests drive and look at."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

NAMES = ("chromium", "chromium-browser")
MISSING = "there is no Chromium here: apt-get install chromium"
SECONDS = 1000.0  # milliseconds
SIZES = {"wide": (1200, 900), "phone": (390, 844)}
PAINTED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def chromium() -> str:
    """The path of Chromium; where there is none the test is skipped, and fails in CI."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(MISSING)
    return found


@pytest.fixture
def browser_page(expected_errors) -> Iterator[Page]:
    """A page whose errors fail the test, but for answers of addresses with an expected part."""
    from playwright.sync_api import sync_playwright

    path, errors = chromium(), []
    with sync_playwright() as driver:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = driver.chromium.launch(executable_path=path, args=arguments)
        wide, high = SIZES["wide"]
        page = browser.new_page(viewport={"width": wide, "height": high})
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.extend(_errors(message, expected_errors)))
        yield page
        browser.close()
    assert not errors, errors


def _errors(message: Any, expected: tuple[str, ...]) -> list[str]:
    asked = message.location.get("url", "")
    if message.type != "error" or any(part in asked for part in expected):
        return []
    return [f"{message.text} ({message.location})"]


def look(page: Page, picture: Path) -> None:
    """Pictures of a view in every size, light and dark; all can read it, nothing is too wide."""
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.evaluate(PAINTED)
            page.screenshot(path=f"{picture}-{size}-{scheme}.png", full_page=True)
            if (
                size == "wide" or scheme == "light"
            ):  # a phone's dark colours are those of the wide view
                found = barriers(page)
                assert not found, f"{picture.name}, {size}, {scheme}: {found}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    wide, high = SIZES["wide"]
    page.set_viewport_size({"width": wide, "height": high})


def barriers(page: Page) -> list[str]:
    """What keeps some people from using a view as it is now: axe's serious findings."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [
        f"{rule['id']} ({rule['help']}): {node['html']}: {node['failureSummary']}"
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def tab_to(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Moves the focus with the keyboard alone."""
    for _ in range(200):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"the keyboard does not reach {wanted}")
