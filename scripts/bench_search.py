"""Samplers compared on live families: real merges of real small models, scored by the real worker.

    scripts/bench search                                   every family but the judges
    scripts/bench search --families soup,gpt2-one --samplers auto,random --trials 100
    scripts/bench search --judges --json judges.json       for a report, never for tuning
    scripts/bench search --make                            models and baselines only
    scripts/bench search --speed                           one ask at 300 parameters, 5,000 trials

The models are made on the first call (some minutes) and kept in `--cache`, as is the score of every
recipe; a search that proposes a known recipe pays nothing. With `--json` each search is recorded
as it finishes, and `--resume` continues from there.

All samplers have the same baselines. Workers are simulated: an ask sees what had finished when it
started, durations are lognormal. Hypervolume and mean are those of a run, on the scale on which the
worst of base and models is 0 and the best 1. Regret is measured from the best result of a family in
all searches so far. `cmaes` has one objective, the mean of the normalised ones.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from pathlib import Path

from scripts.live.bench import Job, Summary, make, opened, run
from scripts.live.best import Best, best
from scripts.live.families import FAMILIES
from scripts.live.record import Record, RecordFile
from scripts.live.table import by_sampler, comparison, family_table, method_table
from scripts.samplers import SAMPLERS
from scripts.search_speed import speed

COMPARED = ("auto", "tpe", "nsga2", "gp", "cmaes", "random")
CACHE = Path("~/.cache/mergefront-bench")


def main(arguments: Sequence[str] | None = None) -> None:
    """Does what the command line asks for."""
    options = _options(arguments)
    if options.speed:
        print(speed())
        return
    if options.make:
        for summary in make(options.families, options.cache, options.processes):
            print(_text(summary), flush=True)
        return
    records = RecordFile(options.json)
    if options.resume:
        records.read()
    wanted = [
        Job(family, sampler, seed, options.trials, options.ask_limit, options.cache)
        for family, seed, sampler in itertools.product(
            options.families, options.seeds, options.samplers
        )
    ]
    missing = [job for job in wanted if records.get(job.key, FAMILIES[job.family].digest) is None]
    if missing:
        _search(missing, records, options)
    _print(records, options)


def _search(missing: Sequence[Job], records: RecordFile, options: argparse.Namespace) -> None:
    """Makes what families are needed, and does the searches."""
    families = list(dict.fromkeys(job.family for job in missing))
    for summary in make(families, options.cache, options.processes):
        print(_line(summary), flush=True)
    for done, record in enumerate(run(missing, options.processes), 1):
        records.add(record)
        print(f"{done}/{len(missing)}  {_progress(record)}", flush=True)


def _print(records: RecordFile, options: argparse.Namespace) -> None:
    shown = [
        each for each in records if each.count == options.trials and each.seed in options.seeds
    ]
    families = {name: by_sampler(shown, name, options.samplers) for name in options.families}
    bests = {name: _best(name, options.cache) for name in families}
    for name, rows in families.items():
        print("\n" + family_table(name, rows, bests[name]))
        print("\n" + method_table(rows))
    print("\n" + comparison(families, bests))


def _best(name: str, cache: Path) -> Best:
    live = opened(name, cache)
    scores = [each.scores for each in live.scores.read().values() if each.state == "scored"]
    return best(live.objectives, live.anchors, scores)


def _progress(record: Record) -> str:
    head = f"{record.family} {record.sampler} seed {record.seed}: "
    if record.left_out:
        return f"{head}left out, {record.left_out}"
    return f"{head}hypervolume {record.hypervolume[-1]:.4f}, mean {record.mean[-1]:.3f}"


def _line(summary: Summary) -> str:
    family = FAMILIES[summary.family]
    return (
        f"{summary.family}: {summary.axes} axes, {len(family.models)} models of "
        f"{summary.parameters:,} numbers, {len(family.objectives)} objectives, "
        f"workers: {family.workers}; hypervolume of the baselines {summary.hypervolume:.4f}"
    )


def _text(summary: Summary) -> str:
    """A family and its baselines."""
    lines = [_line(summary)]
    for label, (scores, mean, seconds, cause) in summary.first.items():
        what = " ".join(f"{name}={value:.3f}" for name, value in scores.items()) or f"({cause})"
        its_mean = "    –" if mean is None else f"{mean:5.3f}"
        lines.append(f"  {label:26} mean {its_mean}  {seconds:.3f} s  {what}")
    return "\n".join(lines)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--live", action="store_true", help="the default, and all there is")
    parser.add_argument("--speed", action="store_true", help="time one ask and fronts only")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--families", help=f"of {', '.join(FAMILIES)}")
    which.add_argument("--judges", action="store_true", help="the families kept for reports")
    parser.add_argument("--samplers", default=",".join(COMPARED))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--ask-limit", type=float, default=30.0, help="CPU seconds of one ask")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--json", type=Path, help="write every search here as it finishes")
    parser.add_argument("--resume", action="store_true", help="keep the searches in --json")
    parser.add_argument("--make", action="store_true", help="make and show the families only")
    options = parser.parse_args(arguments)
    options.samplers = options.samplers.split(",")
    options.families = (
        options.families.split(",")
        if options.families
        else [name for name, each in FAMILIES.items() if each.is_judge == options.judges]
    )
    for given, known in ((options.samplers, SAMPLERS), (options.families, FAMILIES)):
        if unknown := sorted(set(given) - set(known)):
            parser.error(f"unknown {', '.join(unknown)}; there are {', '.join(known)}")
    if options.resume and options.json is None:
        parser.error("--resume needs the --json to go on from")
    options.seeds = range(options.first_seed, options.first_seed + options.seeds)
    options.cache = options.cache.expanduser()
    return options


if __name__ == "__main__":
    main()
