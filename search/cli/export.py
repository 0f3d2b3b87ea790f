"""The command that writes a model of a run, and uploads it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from evaluators.steps import begin_step
from search.cli.errors import FAILED, fail, input_errors, write_errors
from search.cli.options import Force, Run, Where
from search.cli.output import note, say
from search.cli.remote import Server, export_on
from search.cli.results import Number, Pick, read_results
from workers.new_path import check_absent

if TYPE_CHECKING:
    from search.ledger import Trial
    from search.runs import Exported, Verification

Dtype = Annotated[
    Literal["float32", "float16", "bfloat16"] | None,
    typer.Option(help="Of the weights; by default that of the scored ones.", show_default=False),
]
ShardSize = Annotated[
    str, typer.Option(help="Of tensors in one file: `5GB`, `500MB`.", metavar="SIZE")
]
Adapter = Annotated[
    bool,
    typer.Option(
        "--adapter",
        help="Write a LoRA adapter instead: if all models are LoRA adapters on one base, and the "
        "method adds them up.",
    ),
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

Verify = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Load the directory again, score up to 64 documents of each task, and compare with "
        "what was recorded; exit status 1, and no upload, if they differ.",
    ),
]


def export(
    run: Run,
    out: Annotated[Path, typer.Argument(help="The model directory to write.")],
    pick: Pick = "knee",
    trial: Number = None,
    where: Where = None,
    dtype: Dtype = None,
    max_shard_size: ShardSize = "5GB",
    adapter: Adapter = False,
    verify: Verify = False,
    push: Push = None,
    public: Public = False,
    force: Force = False,
    server: Server = None,
) -> None:
    """Write a model of the front as an ordinary Hugging Face directory.

    With --server, OUT is the name of the folder that the service makes.
    """
    with input_errors():
        if not server:
            check_absent(out, force=force)
            begin_step(f"reading {run}")
        from search.ledger import Ledger
        from search.runs import ExportSettings, Verification, open_run, picked
        from search.runs import export as write

        settings = ExportSettings.of_options(
            dtype=dtype,
            max_shard_size=max_shard_size,
            adapter=adapter,
            verify=verify,
            push=push,
            public=public,
            force=force,
        )
        if server:
            given = {"pick": pick, "trial": trial, "where": where}
            return export_on(server, run, str(out), **given, **settings.model_dump())
        ledger = Ledger(run)
        results = read_results(ledger, where)
        chosen, found = picked(ledger, results, pick, trial)
        if push:
            from workers.upload import check_target

            check_target(push, force=force)
        plan, _ = open_run(run)
        verification = Verification.of(plan, ledger, chosen) if verify else None
        with write_errors():
            written = write(
                plan,
                chosen,
                out,
                beside=results.compared,
                verdict=found,
                dtype=dtype,
                shard_bytes=settings.shard_bytes,
                adapter=adapter,
                force=force,
            )
    _say_written(written, chosen)
    if verification:
        _verify(verification, written)
    if written.recheck:
        _say_command(written)
    return _publish(written.path, chosen, push, private=not public) if push else None


def _say_written(written: Exported, trial: Trial) -> None:
    scores = "  ".join(f"{name} {value:.4f}" for name, value in trial.scores.items())
    say(f"trial {trial.number} ({scores}) is exported to {written.path}")
    if trial.proposal.is_input:
        note(
            f"warning: that is {trial.label} itself, not a merge; `mergefront front` shows the "
            "others, and --pick or --trial chooses one of them"
        )
    if written.note:
        say(written.note)
    for warning in written.warnings:
        note(f"warning: {warning}")


def _say_command(written: Exported) -> None:
    """How lm-eval scores the model again; its command names each document, so it is a file."""
    with write_errors():
        file = written.write_command()
    say(f"To score it again with lm-eval, on the same documents: sh {shlex.quote(str(file))}")
    if written.random_fewshot:
        tasks = ", ".join(written.random_fewshot)
        say(f"  (it draws other few-shot examples for {tasks}: their scores will differ)")
    if written.in_parts:
        say("  (it was scored in stages, in other batches: the last bits may differ)")


def _verify(verification: Verification, written: Exported) -> None:
    from search.runs import refused_text, verified_text

    with input_errors():
        found = verification.run(written)
    if found.failed_tasks:
        fail(refused_text(found, written.path), FAILED)
    say(verified_text(found))


def _publish(folder: Path, trial: Trial, repo: str, *, private: bool) -> None:
    from workers.model_card import local_models

    if local := local_models(trial.proposal.recipe.token_sources.values()):
        note(
            f"warning: the model card links no page for {', '.join(local)}; add the hub ids of "
            "these models to `base_model:` in its README.md"
        )
    with input_errors():
        from workers.upload import upload

        address = upload(folder, repo, private=private)
    say(f"{folder} is uploaded to {address}")
