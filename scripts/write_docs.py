"""Writes the parts of the documentation that follow from the code and the tests.

`scripts/docs` writes them; `scripts/docs --check` reports which are stale, with status 1 if any is.
`scripts/docs --site` also builds the site into `site/`, and stops at any link that leads nowhere.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent
QUIET = {"NO_MKDOCS_2_WARNING": "1"}  # an advertisement in every build


def main() -> None:
    """Writes or checks."""
    parser = argparse.ArgumentParser(prog="scripts/docs", description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--site", action="store_true")
    given = parser.parse_args()
    check = given.check
    from scripts import cli_docs, methods_docs, models_docs  # noqa: PLC0415 - slow: transformers

    pages = {each.PAGE: each.page() for each in (cli_docs, methods_docs, models_docs)}
    stale = [
        page
        for page, text in pages.items()
        if not page.exists() or page.read_text(encoding="utf-8") != text
    ]
    for page in stale:
        print(f"{page.relative_to(ROOT)} {'is stale' if check else 'written'}")
        if not check:
            page.write_text(pages[page], encoding="utf-8")
    if check and stale:
        sys.exit(1)
    if given.site:
        sys.exit(build_site())


def build_site() -> int:
    """The exit status of mkdocs, which must be installed."""
    if find_spec("material") is None:
        print("the site needs mkdocs-material: pip install 'mergefront[docs]'", file=sys.stderr)
        return 2
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **QUIET}, check=False)
    return done.returncode


if __name__ == "__main__":
    main()
