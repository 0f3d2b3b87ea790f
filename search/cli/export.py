"""The command that writes a model of a run, and uploads it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from search.cli.byte_size import byte_size
from search.cli.errors import input_errors, write_errors
from search.cli.options import Force, Run, Where
from search.cli.output import console
from search.cli.remote import Server, export_on
from search.cli.results import Number, Pick, read_results

Dtype = Annotated[
    Literal["float32", "float16", "bfloat16"] | None,
    typer.Option(help="Of the weights; by default that of the scored ones.", show_default=False),
]
ShardSize = Annotated[
    str, typer.Option(help="Of tensors in one file: `5GB`, `500MB`.", metavar="SIZE")
]
Push = Annotated[
    str | None,
    typer.Option(
        help="Upload the model to this repository of the Hugging Face hub, which is made private.",
        metavar="OWNER/NAME",
        show_default=False,
    ),
]
Public = Annotated[
    bool, typer.Option("--public", help="Make the repository of --push public if it is new.")
]


def export(
    run: Run,
    out: Annotated[Path, typer.Argument(help="The model directory to write.")],
    pick: Pick = "knee",
    trial: Number = None,
    where: Where = None,
    dtype: Dtype = None,
    max_shard_size: ShardSize = "5GB",
    push: Push = None,
    public: Public = False,
    force: Force = False,
    server: Server = None,
) -> None:
    """Write a model of the front as an ordinary Hugging Face directory.

    With --server, OUT is the name of the folder that the service makes.
    """
    with input_errors():
        if server:
            options = {"pick": pick, "trial": trial, "where": where, "dtype": dtype}
            options |= {"max_shard_size": max_shard_size, "push": push, "public": public}
            return export_on(server, run, str(out), **options, force=force)
        from search.runs import export as write
        from search.runs import open_run, recorded_verdict
        from workers.upload import check_target

        shard_bytes = byte_size(max_shard_size, "--max-shard-size")
        if push:
            check_target(push, force=force)
        plan, ledger = open_run(run)
        results = read_results(ledger, where)
        chosen = results.trial(trial) if trial is not None else results.pick(pick)
        found = recorded_verdict(ledger, pick, chosen.number)
        with write_errors():
            written = write(
                plan,
                chosen,
                out,
                beside=results.baselines,
                verdict=found,
                dtype=dtype,
                shard_bytes=shard_bytes,
                force=force,
            )
    terminal = console()
    scores = "  ".join(f"{name} {value:.4f}" for name, value in chosen.scores.items())
    terminal.print(f"trial {chosen.number} ({scores}) is exported to {written.path}")
    if written.note:
        terminal.print(written.note)
    terminal.print("Score it again on the same documents:")
    terminal.print(f"  {written.command}", soft_wrap=True)
    if written.random_fewshot:
        tasks = ", ".join(written.random_fewshot)
        terminal.print(
            f"  (it draws other few-shot examples for {tasks}: their scores will differ)"
        )
    if written.in_parts:
        terminal.print("  (it was scored in stages, in other batches: the last bits may differ)")
    return _upload(written.path, push, private=not public) if push else None


def _upload(folder: Path, repo: str, *, private: bool) -> None:
    with input_errors():
        from workers.upload import upload

        address = upload(folder, repo, private=private)
    console().print(f"{folder} is uploaded to {address}", soft_wrap=True)
