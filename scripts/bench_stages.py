"""Stages and the verdict, measured: what they save, what they lose, how honest the scores are.

    scripts/bench stages                                   all parts, some 25 minutes of one core
    scripts/bench stages --parts laws,distances,intervals  seconds: made-up scores, no model
    scripts/bench stages --write                           writes the tables into docs/honesty.md

Parts: `replays` and `tolerances` replay searches without stages, from their recorded scores per
document; `laws`, `distances` and `intervals` are simulations; `searches` compares whole searches
with stages and without; `picks` compares search scores with report scores, through the verdict, and
`splits` does so in random splits of recorded scores. The searches are of the demo's models with
1000 documents a task, real and in this process. They are ordinary runs, kept in `--cache`, so that
a second call only reads them.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts.stages import tables
from scripts.stages.page import PAGE, with_parts

CACHE = Path("~/.cache/mergefront-stages")
TUNED_ON = (0, 100, 101)  # seeds of the searches on which the sizes of the stages were chosen


def main(arguments: Sequence[str] | None = None) -> None:
    """Does what the command line asks for."""
    options = _options(arguments)
    made = _parts(options)
    for name in options.parts:
        part = made[name]()
        print(f"== {name}\n\n{part}\n", flush=True)
        if options.write:
            text = with_parts(PAGE.read_text(encoding="utf-8"), {name: part})
            PAGE.write_text(text, encoding="utf-8")


def _parts(options: argparse.Namespace) -> dict[str, Callable[[], str]]:
    cache, seeds, orders = options.cache.expanduser(), range(options.seeds), options.orders
    judges = [seed for seed in seeds if seed not in TUNED_ON]
    return {
        "replays": lambda: tables.replays(cache, judges, orders),
        "tolerances": lambda: tables.tolerances(cache, judges, max(1, orders // 4)),
        "laws": tables.laws,
        "distances": tables.distances,
        "intervals": tables.intervals,
        "searches": lambda: tables.searches(cache, seeds[: options.pairs]),
        "picks": lambda: tables.picks(cache, seeds),
        "splits": lambda: tables.splits(cache, seeds),
    }


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", help="some of the parts, separated by commas")
    parser.add_argument("--seeds", type=int, default=10, help="searches")
    parser.add_argument("--pairs", type=int, default=2, help="of them, searched with stages too")
    parser.add_argument("--orders", type=int, default=4, help="replays of each search")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--write", action="store_true", help="write docs/honesty.md")
    options = parser.parse_args(arguments)
    known = list(_parts(options))
    options.parts = options.parts.split(",") if options.parts else known
    if unknown := sorted(set(options.parts) - set(known)):
        parser.error(f"unknown {', '.join(unknown)}; there are {', '.join(known)}")
    return options


if __name__ == "__main__":
    logging.getLogger("search").setLevel(logging.ERROR)  # broken merges are no news here
    main()
