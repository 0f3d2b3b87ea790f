"""Runs the service with uvicorn until it is told to end."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from search.service.settings import ServiceSettings

GRACE = 20  # seconds in which open requests are answered after SIGTERM


class MissingExtraError(ValueError):
    """The libraries of the service are not installed."""


def serve(settings: ServiceSettings, host: str, port: int) -> None:
    """Serves until SIGTERM or Ctrl-C; open requests are answered, streams of events are ended.

    Raises:
        MissingExtraError: if the extra `service` is not installed.
        OSError: if the root cannot be written.
    """
    try:
        import uvicorn

        from search.service.app import create_app
    except ImportError as error:
        raise MissingExtraError(
            f"the service needs {error.name}: pip install 'mergefront[service]'"
        ) from None
    settings.make_folders()
    app = create_app(settings)

    class Server(uvicorn.Server):
        """Ends the streams of events at once, for which uvicorn would wait."""

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            super().handle_exit(sig, frame)
            loop.call_soon_threadsafe(app.state.service.feeds.end)

    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,  # /metrics counts requests
        log_level="warning",
        server_header=False,
        http="h11",  # the same with and without uvicorn's optional libraries,
        ws="none",  # which Ray Serve brings
        timeout_graceful_shutdown=GRACE,
    )
    loop = asyncio.new_event_loop()
    assert threading.current_thread() is threading.main_thread(), "signals need the main thread"
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(Server(config).serve())
