"""The HTTP server of a service: binds first, ends in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

_CONNECTIONS = 1_000
"""Those beyond are told 503."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # The parent class raises a caught signal again, which would end the process before the
        # replicas are stopped.
        yield


def listen(host: str, port: int) -> socket.socket:
    """A socket that this address is reserved by; port 0 takes a free one.

    Raises:
        ValueError: the address is taken or not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Else the port of a service that has just ended is refused for a minute.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ValueError(
            f"can't listen at {host}:{port}: {error.strerror or error}. Cure: another --port (0 takes "
            "a free one), or --host with an address of this machine"
        ) from error
    return listening


def run(app: Any, listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM, then answer what was accepted and return.

    Args:
        ready: called once connections are accepted and the signals are heeded.
    """
    asyncio.run(_run(app, listening, ready))


async def _run(app: Any, listening: socket.socket, ready: Callable[[], None]) -> None:
    server = make_server(app)
    loop = asyncio.get_running_loop()

    def end() -> None:
        server.should_exit = True

    for number in _SIGNALS:
        loop.add_signal_handler(number, end)
    # What connects from now on waits in the socket's queue.
    listening.listen(_CONNECTIONS)
    ready()
    try:
        await server.serve(sockets=[listening])
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def make_server(app: Any) -> uvicorn.Server:
    """The server of an application; setting its `should_exit` ends it in order."""
    return _Server(
        uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            limit_concurrency=_CONNECTIONS,
            # Replicas answer or fail within a minute.
            timeout_graceful_shutdown=90,
            server_header=False,
        )
    )
