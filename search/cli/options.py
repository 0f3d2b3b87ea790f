"""The arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from search.cli.log_format import LogFormat

Run = Annotated[
    str,
    typer.Argument(help="The folder of the run, or its URI: s3://bucket/run.", show_default=False),
]
ConfigPath = Annotated[
    Path, typer.Argument(help="The YAML file that describes the search.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print nothing but the result, and errors.")
]
Address = Annotated[
    str,
    typer.Option(
        help="Address of the Ray cluster; `local` starts one on this machine.", metavar="ADDRESS"
    ),
]
Where = Annotated[
    str | None,
    typer.Option(
        help="Use only trials of the front that satisfy this condition: "
        "`maths > base.maths and law >= 0.9 * law-model.law`.",
        show_default=False,
    ),
]
Takeover = Annotated[
    bool,
    typer.Option(
        "--takeover",
        help="Take the run over from another driver; only if that driver is certainly dead.",
    ),
]
Logs = Annotated[
    LogFormat,
    typer.Option(
        "--log-format", help="Format of the log lines on standard error.", metavar="FORMAT"
    ),
]
Dashboard = Annotated[
    str,
    typer.Option(
        help="URL of the cluster's dashboard.", metavar="URL", envvar="RAY_API_SERVER_ADDRESS"
    ),
]
LOCAL_DASHBOARD = "http://127.0.0.1:8265"
JobName = Annotated[
    str, typer.Argument(help="The name of the job: the last part of the run's folder or URI.")
]
Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Continue to print until the search ends.")
]
ANOTHER_FILE = "name another file with --out, or use --force"
"""What to do about a file that is there already."""
Force = Annotated[bool, typer.Option("--force", help="Replace OUT if it exists.")]
