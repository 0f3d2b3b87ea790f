"""The commands of the service: serve and token."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from search.cli.errors import FAILED, fail, input_errors
from search.cli.output import note

if TYPE_CHECKING:
    from search.service import Tokens

Root = Annotated[
    str,
    typer.Option(
        help="The folder with all state of the service: runs, exports, tokens; or its URI: "
        "`s3://bucket/prefix`, `gs://...`.",
        metavar="FOLDER",
        envvar="MERGEFRONT_ROOT",
        show_default=False,
    ),
]
Data = Annotated[
    list[Path] | None,
    typer.Option(
        help="A folder in which models, tasks and recipes may be; relative paths of a config are "
        "relative to the first. May be repeated.",
        show_default=False,
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        help="URL of the dashboard of the Ray cluster; by default a Ray is started here, which "
        "outlives the service.",
        metavar="URL",
        envvar="RAY_API_SERVER_ADDRESS",
        show_default=False,
    ),
]
Exports = Annotated[
    Path | None,
    typer.Option(
        help="Where exported models are written; by default `exports` in the root, if that is a "
        "folder. Every machine of the cluster must be able to write it.",
        show_default=False,
    ),
]
Role = Annotated[
    Literal["read", "run", "admin"],
    typer.Option(help="Each may do what those before it may: read, run, admin."),
]


def serve(
    root: Root,
    data: Data = None,
    cluster: Cluster = None,
    exports: Exports = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8300,
    allow_code: Annotated[
        bool,
        typer.Option("--allow-code", help="Accept configs that run code: trust every user."),
    ] = False,
    allow_hub: Annotated[
        bool,
        typer.Option(
            "--allow-hub", help="Accept models of the Hugging Face hub, and pushes by admins."
        ),
    ] = False,
    rate: Annotated[float, typer.Option(min=0.1, help="Requests per second of a token.")] = 200.0,
) -> None:
    """Serve searches over HTTP; each runs as a job of a Ray cluster and outlives the service."""
    with input_errors():
        from search.service import ServiceSettings, data_folders, root_of
        from search.service import serve as serve_until_stopped

        folders = data_folders(data or (), "--data")
        place = root_of(root)
        settings = ServiceSettings(
            place,
            cluster or _local_ray(place),
            folders,
            export_folder=exports.expanduser().resolve() if exports else None,
            allow_code=allow_code,
            allow_hub=allow_hub,
            rate=rate,
        )
        note(
            f"http://{host}:{port} serves {settings.shown_root}, searches run on {settings.cluster}"
        )
        serve_until_stopped(settings, host, port)


def token(
    action: Annotated[
        Literal["create", "list", "revoke"],
        typer.Argument(help="`create NAME`, `list` or `revoke ID`.", show_default=False),
    ],
    root: Root,
    name: Annotated[
        str | None,
        typer.Argument(
            help="Whose it is, for people; to revoke it, its ID of the list.", show_default=False
        ),
    ] = None,
    role: Role = "read",
    days: Annotated[float, typer.Option(help="Until a new one expires; 0 is never.")] = 90,
) -> None:
    """Create, list or revoke the tokens that open a service; a new one is shown only once."""
    with input_errors():
        from search.service import ServiceSettings, Tokens, root_of

        tokens = Tokens(ServiceSettings(root_of(root), "").tokens)
        if action == "list":
            return _print_tokens(tokens)
        if name is None:
            raise ValueError(f"token {action}: {'NAME' if action == 'create' else 'ID'} is missing")
        if action == "create":
            return print(tokens.create(name, role, days or None)[1])
        tokens.revoke(name)
    return print(f"token {name} is revoked")


def _print_tokens(tokens: Tokens) -> None:
    for each in tokens.all():
        state = "expired" if each.is_expired else f"until {each.expires or 'revoked'}"
        print(f"{each.id}  {each.role:5}  {state}  {each.name}")


def _local_ray(root: Path | str) -> str:
    if isinstance(root, str):
        raise ValueError(
            "--root: an object store has no room for the files of a Ray of this machine; name the "
            "cluster of the searches by --cluster"
        )
    from workers.pool import use_own_token

    use_own_token(root / "ray")
    from workers.pool.head import HeadError, local_head  # imports Ray

    try:
        return local_head(root / "ray")
    except HeadError as error:
        fail(str(error), FAILED)
