"""Measures the service under load: `python scripts/bench_service.py [--ray-serve] [SECONDS]`.

On a run with 5,000 trials, to which one more is added every second: 200 open streams of events and
100 requests per second of status and front. The service has one core, the clients another; one
replica of Ray Serve, its proxy and its Ray have all cores.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import numpy as np

from search.ledger import Ledger, Proposal, Trial
from search.objectives import Objective
from search.service import Tokens
from search.space import Space, SpaceSettings
from workers.pool import use_own_token
from workers.recipe import Source

TRIALS, STREAMS, RATE = 5000, 200, 100
PATHS = ("/v1/searches/load", "/v1/searches/load/front", "/v1/searches/load/front?pick=knee")
OBJECTIVES = [Objective.of(name, name, "acc,none", "maximize") for name in ("maths", "law")]


def run_with(root: Path, trials: int) -> tuple[Ledger, Trial]:
    """A run with this many trials, and the last of them."""
    models = {name: Source(f"/models/{name}", fingerprint=name * 4) for name in "abc"}
    base = Source("/models/base", fingerprint="0000")
    space = Space(("linear", "ties"), models, base, 4, SpaceSettings())
    header = {
        "name": "load",
        "objectives": {each.name: each.to_dict() for each in OBJECTIVES},
        "budget": {"trials": 10**6},
        "inputs": {},
    }
    ledger = Ledger.create(root / "runs" / "load", header, "name: load\n")
    recipe = space.recipe({name: axis.centre for name, axis in space.axes.items()})
    with ledger.driving():
        for number in range(trials):
            trial = scored(Proposal.create(number, recipe, {}), number)
            ledger.finish(trial)
    return ledger, trial


def scored(proposal: Proposal, number: int) -> Trial:
    """A trial near a curved front."""
    angle, radius = random.uniform(0, np.pi / 2), random.betavariate(8, 2)
    scores = {"maths": radius * np.cos(angle), "law": radius * np.sin(angle)}
    return Trial(proposal, "scored", number, scores, clock=float(number))


async def load(url: str, token: str, seconds: float, ledger: Ledger, last: Trial) -> None:
    """Opens the streams, asks for a while, and prints what was measured."""
    headers = {"Authorization": f"Bearer {token}"}
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    events: list[int] = []
    times: list[float] = []
    failed: list[int] = []
    async with httpx2.AsyncClient(
        base_url=url, headers=headers, limits=limits, timeout=60
    ) as client:

        async def listen() -> None:
            async with client.stream("GET", f"{PATHS[0]}/events") as answer:
                async for line in answer.aiter_lines():
                    events.extend([1] if line.startswith("event: status") else [])

        async def ask(path: str) -> None:
            began = time.perf_counter()
            answer = await client.get(path)
            times.append(time.perf_counter() - began)
            failed.extend([answer.status_code] if answer.is_error else [])

        streams = [asyncio.create_task(listen()) for _ in range(STREAMS)]
        await asyncio.sleep(5)
        asked, began, number = [], time.perf_counter(), last.number
        for i in range(int(seconds * RATE)):
            if i % RATE == 0:
                number += 1
                proposal = replace(last.proposal, number=number)
                await asyncio.to_thread(ledger.finish, scored(proposal, number))
            await asyncio.sleep(max(0.0, began + i / RATE - time.perf_counter()))
            asked.append(asyncio.create_task(ask(PATHS[i % len(PATHS)])))
        await asyncio.gather(*asked)
        took = time.perf_counter() - began
        for each in streams:
            each.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
    p50, p95, p99 = (1000 * np.quantile(times, q) for q in (0.5, 0.95, 0.99))
    print(f"{TRIALS} trials, {STREAMS} streams, one more trial per second, {took:.0f} s")
    print(f"{len(times) / took:.0f} requests/s, {len(failed)} failed, {len(events)} events")
    print(f"p50 {p50:.0f} ms, p95 {p95:.0f} ms, p99 {p99:.0f} ms, worst {1000 * max(times):.0f} ms")


@contextmanager
def by_uvicorn(root: Path, port: int) -> Iterator[None]:
    """The service alone, on one core."""
    cores = sorted(os.sched_getaffinity(0))
    command = ["taskset", "-c", str(cores[0]), sys.executable, "-m", "search", "serve"]
    options = ["--root", str(root), "--port", str(port), "--cluster", "http://127.0.0.1:9"]
    with subprocess.Popen([*command, *options]) as service:
        os.sched_setaffinity(0, cores[1:] or cores)
        try:
            yield
        finally:
            service.terminate()


@contextmanager
def by_ray_serve(root: Path, port: int) -> Iterator[None]:
    """One replica, behind the proxy of a Ray of this machine."""
    use_own_token(folder := root / "ray")
    from workers.pool.head import RECORD, local_head  # noqa: PLC0415 - Ray reads its token once

    dashboard = local_head(folder)
    application = {
        "import_path": "search.service.deployment:app",
        "args": {"root": str(root)},
        "deployments": [{"name": "service", "ray_actor_options": {"num_cpus": 0}}],
    }
    options = {"host": "127.0.0.1", "port": port}
    config = {"http_options": options, "applications": [application]}
    bearer = {"Authorization": f"Bearer {(folder / 'token').read_text()}"}
    url = f"{dashboard}/api/serve/applications/"
    try:
        httpx2.put(url, json=config, headers=bearer, timeout=60).raise_for_status()
        yield
    finally:
        os.kill(json.loads((folder / RECORD).read_text())["pid"], signal.SIGTERM)


def wait_for(url: str) -> None:
    """Until the service answers."""
    while True:
        try:
            if httpx2.get(f"{url}/healthz").is_success:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.2)


def main() -> None:
    """Makes the run, starts the service, and measures."""
    numbers = [float(each) for each in sys.argv[1:] if each != "--ray-serve"]
    start = by_ray_serve if "--ray-serve" in sys.argv else by_uvicorn
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        ledger, last = run_with(root, TRIALS)
        _, token = Tokens(root / "tokens").create("load", "read")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with start(root, port):
            wait_for(url := f"http://127.0.0.1:{port}")
            asyncio.run(load(url, token, *(numbers or [30.0]), ledger, last))


if __name__ == "__main__":
    main()
