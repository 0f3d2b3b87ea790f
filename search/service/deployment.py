"""The service as an application of Ray Serve: its configs name `search.service.deployment:app`."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from evaluators.settings import Settings
from search.service.server import GRACE
from search.service.settings import ServiceSettings, data_folders, root_of

if TYPE_CHECKING:
    from fastapi import FastAPI

NAME = "service"
"""Of the deployment, by which a config of Serve chooses its number of replicas."""
SHORT_REQUESTS = 200  # that a replica answers beside its open streams


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError(
            f"must be an absolute path, since replicas have no folder of yours (got {str(path)!r})"
        )
    return path


def _absolute_or_uri(root: str) -> str:
    return root if "://" in root else str(_absolute(Path(root)))


Folder = Annotated[Path, AfterValidator(_absolute)]


class Arguments(Settings):
    """What the `args` of a config of Serve may have; each is an option of `mergefront serve`."""

    root: Annotated[str, AfterValidator(_absolute_or_uri)]
    data: tuple[Folder, ...] = ()
    cluster: str | None = None
    """By default the cluster that the replicas are on."""
    exports: Folder | None = None
    allow_code: bool = False
    allow_hub: bool = False
    rate: Annotated[float, Field(ge=0.1)] = ServiceSettings.rate

    def on(self, cluster: str) -> ServiceSettings:
        """The settings of a replica on a cluster."""
        return ServiceSettings(
            root_of(self.root),
            self.cluster or cluster,
            data_folders(self.data, "data"),
            export_folder=self.exports,
            allow_code=self.allow_code,
            allow_hub=self.allow_hub,
            rate=self.rate,
        )


# Serve reads the annotation of the argument at run time, to check `args`
def app(arguments: Arguments) -> Any:
    """The application that Serve deploys.

    Raises:
        ValueError: if a folder of `data` is missing; `serve status` shows the message.
    """
    from workers.pool.replicas import replicated  # imports Ray

    data_folders(arguments.data, "data")
    requests = ServiceSettings.max_streams + SHORT_REQUESTS
    return replicated(NAME, partial(_replica, arguments), requests=requests, grace=GRACE)


def _replica(arguments: Arguments, cluster: str) -> "FastAPI":
    from search.service.app import create_app

    return create_app(arguments.on(cluster))
