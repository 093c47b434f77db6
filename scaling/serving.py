"""A service from end to end: replicas of a saved model, the HTTP side, and both ended in order."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from scaling.logged_model import load
from scaling.models.turbo_precision import CacheDtype
from scaling.serving_about import describe_model
from scaling.serving_http import make_app
from scaling.serving_limits import Limits
from scaling.serving_ray import replicas_of
from scaling.serving_server import listen, run


@dataclass(frozen=True, kw_only=True)
class Service:
    """How a model is served."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: a free one."""
    replicas: int = 1
    threads: int | None = None
    """Of each replica; None: the cores by the replicas."""
    cache_bytes: int = 1_000_000_000
    """Of each replica."""
    cache_dtype: CacheDtype = "float32"
    """Of what it keeps of its users."""
    limits: Limits = field(default_factory=Limits)
    token: str | None = None


def serve_folder(folder: Path, service: Service, *, name: str, tell: Callable[[str], None]) -> None:
    """Serve the model in a folder until SIGINT or SIGTERM.

    Args:
        name: what GET /model calls the model, a run's id.
        tell: called with the URL, once requests are answered.

    Raises:
        ValueError: the address can't be listened at, or the folder holds no model.
    """
    threads = service.threads or max(1, (os.cpu_count() or 1) // service.replicas)
    # Before minutes of starting: a taken port and a damaged model are told at once.
    listening = listen(service.host, service.port)
    with listening:
        model = load(folder)
        about = describe_model(model, name, service.limits)
        schema = model.schema
        del model
        with replicas_of(
            folder,
            replicas=service.replicas,
            cache_bytes=service.cache_bytes,
            cache_dtype=service.cache_dtype,
            threads=threads,
        ) as backend:
            app = make_app(backend, schema, about, limits=service.limits, token=service.token)
            host = f"[{service.host}]" if ":" in service.host else service.host
            run(app, listening, lambda: tell(f"http://{host}:{listening.getsockname()[1]}"))
