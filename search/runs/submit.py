"""A search as a job of a Ray cluster."""

from __future__ import annotations

import re
import shlex
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from search.config import ConfigError, ConfigFile

if TYPE_CHECKING:
    from search.config import Config
    from workers.pool.jobs import Jobs

PACKAGES = ("search", "workers", "evaluators")
CONFIG = "config.yaml"


def submit(path: Path, address: str, *, log_format: str = "text") -> str:
    """Sends a search to a cluster; the job's name, which is the run's.

    The config, with absolute paths, and this version of mergefront are sent along. Models, tasks
    and the run must be where every machine of the cluster can read them. An existing run is
    resumed.

    Raises:
        ConfigError: if the config cannot be read; files that it names are checked on the cluster.
        JobError: if the cluster does not answer, or the job runs already.
    """
    config = ConfigFile(path).resolved()
    name = job_name(path, config)
    arguments = ["search", CONFIG, "--address", "auto", "--resume", "--log-format", log_format]
    from workers.pool.jobs import Jobs  # imports Ray

    submit_command(name, arguments, str(config.run), Jobs(address), config=config)
    return name


def submit_command(
    name: str, arguments: Sequence[str], run: str, jobs: Jobs, *, config: Config | None = None
) -> None:
    """Sends a command of mergefront to a cluster, with this version of it.

    Args:
        name: of the job.
        arguments: of the command line.
        run: the run that the command works on.
        jobs: of the cluster.
        config: is written as `config.yaml` into the folder where the command runs.

    Raises:
        JobError: if the cluster does not answer, or the job runs already.
    """
    with tempfile.TemporaryDirectory() as folder:
        if config:
            (Path(folder) / CONFIG).write_text(config.to_yaml(), encoding="utf-8")
        jobs.submit(
            name,
            shlex.join(["python", "-m", "search", *arguments]),
            folder=Path(folder),
            packages=[_folder_of(package) for package in PACKAGES],
            run=run,
        )


def job_name(path: Path, config: Config) -> str:
    """The last part of the run's folder or URI.

    Raises:
        ConfigError: if it cannot be the name of a job.
    """
    name = str(config.run).partition("?")[0].rstrip("/").rpartition("/")[2]
    if not re.fullmatch(r"[\w.-]+", name):
        raise ConfigError(path, [f"run: {name!r} cannot name a job; use letters, digits, . _ -"])
    return name


def _folder_of(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent
