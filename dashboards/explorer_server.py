"""Serving the explorer: threads, whose requests are answered, and an end that leaves nothing."""

from __future__ import annotations

import contextlib
import ipaddress
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dash import Dash
from flask import Response, abort, request
from werkzeug.serving import WSGIRequestHandler, make_server

from scaling.dashboards.explorer import make_app
from scaling.dashboards.explorer_desk import Desk
from scaling.dashboards.explorer_feed import Feed


class _Handler(WSGIRequestHandler):
    """Keeps connections open, and writes no line for each request."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return


def loopback(host: str) -> bool:
    """Whether this name or address is this machine alone."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def serve(
    feed: Feed,
    *,
    host: str,
    port: int,
    sweeps: Sequence[str] = (),
    tell: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM; returns when everything has ended.

    Args:
        feed: where runs come from; closed at the end.
        host: name or address to listen at.
        port: 0 takes a free one.
        sweeps: chosen unless the address says otherwise.
        tell: is told the address when requests are answered.

    Raises:
        ValueError: the address can't be listened at; the message names the cure.
    """
    with (
        tempfile.TemporaryDirectory(prefix="climber-dashboard-") as scratch,
        contextlib.closing(feed),
    ):
        folder = Path(scratch)
        with _listening(host, port) as listener:
            app = make_app(Desk(feed, folder, sweeps), folder)
            guard(app, host)
            where = listener.getsockname()[1]
            shown = f"[{host}]" if ":" in host else host
            server = make_server(
                host, where, app.server, threaded=True, request_handler=_Handler,
                fd=listener.fileno(),
            )  # fmt: skip
            with _signals():
                tell(f"http://{shown}:{where}/")
                try:
                    server.serve_forever()
                except KeyboardInterrupt:
                    pass
                finally:
                    server.server_close()
                    _end_jobs()


def guard(app: Dash, host: str) -> None:
    """Refuse what a page of somewhere else makes a browser ask, and let pages load nothing from
    elsewhere.

    At loopback the Host header must name loopback: else a name that was made to point here (DNS
    rebinding) would let a foreign page read the answers. plotly.js compiles what it draws by WebGL
    (many points), which needs `unsafe-eval`.
    """
    policy = (
        "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "
        "font-src 'self' data:; worker-src 'self' blob:; frame-ancestors 'none'; "
        "base-uri 'none'; form-action 'none'; object-src 'none'; "
        f"script-src 'self' 'unsafe-eval' {' '.join(app.csp_hashes())}"
    )

    def check() -> None:
        asked = urlsplit(f"//{request.host}")
        if loopback(host) and not loopback(asked.hostname or ""):
            abort(403, "This page is at loopback: open it as localhost or 127.0.0.1.")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            abort(403, "Another page may not ask this one.")

    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        return response

    app.server.before_request(check)
    app.server.after_request(protect)


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket that listens; made here, so that an error is told in words."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ValueError(f"can't listen at {host}: {error}; choose another --host") from error
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(128)
        except OSError as error:
            raise ValueError(
                f"can't listen at {host} port {port}: {error.strerror or error}; choose another "
                "one by --port (0 takes a free one), or end the program that has it"
            ) from error
        yield listener


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM ends like Ctrl-C."""

    def end(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    before = {one: signal.signal(one, end) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _end_jobs() -> None:
    """The processes that fit; Dash starts them by `multiprocess`."""
    from multiprocess import active_children

    for child in active_children():
        child.kill()
        child.join(5.0)
