"""Writes the parts of the documentation that follow from the code and the tests.

`scripts/docs` writes them; `scripts/docs --check` reports which are stale, with status 1 if any is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    """Writes or checks."""
    parser = argparse.ArgumentParser(prog="scripts/docs", description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    from scripts import methods_docs, models_docs  # noqa: PLC0415 - slow: transformers

    pages = {each.PAGE: each.page() for each in (methods_docs, models_docs)}
    stale = [
        page
        for page, text in pages.items()
        if not page.exists() or page.read_text(encoding="utf-8") != text
    ]
    for page in stale:
        print(f"{page.relative_to(ROOT)} {'is stale' if check else 'written'}")
        if not check:
            page.write_text(pages[page], encoding="utf-8")
    sys.exit(int(check and bool(stale)))


if __name__ == "__main__":
    main()
