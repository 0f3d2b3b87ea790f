"""The commands of the service: serve, and token create, list and revoke."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from search.cli.errors import FAILED, fail, input_errors
from search.cli.output import note

Root = Annotated[
    Path,
    typer.Option(
        help="The folder with all state of the service: runs, exports, tokens.",
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
Role = Annotated[
    Literal["read", "run", "admin"],
    typer.Option(help="Each may do what those before it may: read, run, admin."),
]

token = typer.Typer(name="token", no_args_is_help=True, help="Tokens that open the service.")


def serve(
    root: Root,
    data: Data = None,
    cluster: Cluster = None,
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
        from search.service import ServiceSettings
        from search.service import serve as serve_until_stopped

        folders = tuple(folder.expanduser().resolve() for folder in data or ())
        for folder in folders:
            if not folder.is_dir():
                raise ValueError(f"--data: {folder} is no directory")
        root = root.expanduser().resolve()
        settings = ServiceSettings(
            root,
            cluster or _local_ray(root),
            folders,
            allow_code=allow_code,
            allow_hub=allow_hub,
            rate=rate,
        )
        note(f"http://{host}:{port} serves {root}, searches run on {settings.cluster}")
        serve_until_stopped(settings, host, port)


@token.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose it is, for people.", show_default=False)],
    root: Root,
    role: Role = "read",
    days: Annotated[float, typer.Option(help="Until it expires; 0 is never.")] = 90,
) -> None:
    """Create a token and print it: it is shown only now."""
    with input_errors():
        from search.service import Tokens

        _, text = Tokens(root / "tokens").create(name, role, days or None)
    print(text)


@token.command(name="list")
def list_tokens(root: Root) -> None:
    """List the tokens, without their secrets."""
    with input_errors():
        from search.service import Tokens

        for each in Tokens(root / "tokens").all():
            state = "expired" if each.is_expired else f"until {each.expires or 'revoked'}"
            print(f"{each.id}  {each.role:5}  {state}  {each.name}")


@token.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="Of the list.")], root: Root
) -> None:
    """End a token at once."""
    with input_errors():
        from search.service import Tokens

        Tokens(root / "tokens").revoke(token_id)
    print(f"token {token_id} is revoked")


def _local_ray(root: Path) -> str:
    from workers.pool import use_own_token

    use_own_token(root / "ray")
    from workers.pool.head import HeadError, local_head  # imports Ray

    try:
        return local_head(root / "ray")
    except HeadError as error:
        fail(str(error), FAILED)
