"""Entry point of the serving container: `python serve.py serve`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

import uvicorn
from starlette.types import ASGIApp

from classifier.artifact.directory import Artifact, ArtifactError, read_artifact
from classifier.decode.pool import DecodePool
from classifier.engines.engine import Engine, EngineError
from classifier.engines.engine_channel import SlotLayout
from classifier.engines.engine_process import CHANNEL_FLAG, EngineProcess, start_http_process
from classifier.engines.remote_engine import RemoteEngine
from classifier.engines.selection import computed_precision, load_engine
from classifier.image.preprocessing import RESIZER
from classifier.serving.classification import Postprocessor
from classifier.serving.http_protocol import BoundedProtocol
from classifier.serving.logs import configure_logs
from classifier.serving.server import InferenceServer
from classifier.serving.settings import (
    ServerSettings,
    SettingsError,
    read_port,
    read_settings,
    share_of_http_process,
)

# SageMaker's routers keep connections for a minute; if the server closed a connection first, a
# request could be lost.
KEEP_ALIVE_SECONDS = 75
_log = logging.getLogger("classifier.serve")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM; if that is impossible, print one line on standard error and return 1."""
    # uvicorn drains first and then raises the signal again. During loading a signal exits at once.
    signal.signal(signal.SIGTERM, _exit_in_order)
    signal.signal(signal.SIGINT, _exit_in_order)
    try:
        options = _parse(arguments)
        settings = read_settings(os.environ)
        configure_logs(settings.log_level)
        port = read_port(os.environ) if options.port is None else options.port
        if options.engine_channel:
            settings = share_of_http_process(settings)
        elif settings.http_process_count > 1:
            return _serve_with_http_processes(options, port, settings)
        application, engine = _load_server(options, settings)
        listener = _bind(options.host, port, is_shared=bool(options.engine_channel))
        listener.listen(1024)
    except (ArtifactError, EngineError, SettingsError) as error:
        print(f"serve.py: {error}", file=sys.stderr)
        return 1
    _log.info("serving", extra={"fields": {"port": listener.getsockname()[1]}})
    asyncio.run(_run(application, engine, listener, settings))
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="serve.py", description=__doc__)
    parser.add_argument("command", choices=["serve"], help="what SageMaker passes")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104 - a container is reached from outside of itself
    parser.add_argument(
        "--port", type=int, help="default: $SAGEMAKER_BIND_TO_PORT or 8080; 0 picks a free one"
    )
    parser.add_argument(
        "--model-dir",
        type=Path,
        default=Path("/opt/ml/model"),
        help="the unpacked artifact (default: %(default)s)",
    )
    # How this program starts itself as an HTTP process.
    parser.add_argument(CHANNEL_FLAG, type=int, nargs=2, default=[], help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _serve_with_http_processes(
    options: argparse.Namespace, port: int, settings: ServerSettings
) -> int:
    artifact = read_artifact(options.model_dir)
    # A port that is shared can also be bound beside another server.
    with _bind(options.host, port, is_shared=False) as probe:
        port = probe.getsockname()[1]
    # Keeps the port for the HTTP processes, which listen on it when the engine is ready.
    with _bind(options.host, port, is_shared=True):
        program = [sys.executable, __file__, "serve", "--host", options.host, "--port", str(port)]
        command = [*program, "--model-dir", str(options.model_dir)]
        layout = _slot_layout(artifact, settings)
        # Started before the network is loaded, so that both start in parallel.
        http_processes = [
            start_http_process(command, layout) for _ in range(settings.http_process_count)
        ]
        try:
            engine = load_engine(artifact, settings)
            engine.warm_up()
        except (ArtifactError, EngineError):
            for http in http_processes:
                http.process.kill()
            raise
        exit_code = asyncio.run(EngineProcess(engine, http_processes).run())
        engine.close()
    return exit_code


def _slot_layout(artifact: Artifact, settings: ServerSettings) -> SlotLayout:
    manifest = artifact.manifest
    return SlotLayout(
        # Enough for each engine's capacity, as one HTTP process may have all connections.
        slots=2 * max(settings.max_batch, settings.worker_count),
        crop=manifest.preprocessing.crop,
        class_count=len(manifest.labels),
    )


def _load_server(options: argparse.Namespace, settings: ServerSettings) -> tuple[ASGIApp, Engine]:
    started = time.perf_counter()
    artifact = read_artifact(options.model_dir)
    manifest = artifact.manifest
    # Started before the network is loaded, which takes longer, so that both start in parallel.
    decoders = DecodePool(
        manifest.preprocessing,
        process_count=settings.decode_process_count,
        max_image_bytes=settings.max_body_bytes,
        reduce_to=manifest.preprocessing.resize if settings.decode == "fast" else None,
    )
    engine: Engine
    if options.engine_channel:
        connection, memory = options.engine_channel
        layout = _slot_layout(artifact, settings)
        engine = RemoteEngine(
            socket.socket(fileno=connection),
            memory,
            layout,
            capacity=-(-layout.slots // settings.http_process_count),
        )
    else:
        engine = load_engine(artifact, settings)
    try:
        Postprocessor(manifest, settings.model_version).probabilities(engine.warm_up())
    except ArithmeticError as error:
        raise EngineError(f"the network's output for a test image is invalid: {error}") from error
    fields = {
        "model": manifest.name,
        "version": settings.model_version,
        "engine": settings.engine,
        "precision": computed_precision(artifact, settings),
        "decode": settings.decode,
        "resizer": RESIZER,
        "capacity": engine.capacity,
        "load_ms": round((time.perf_counter() - started) * 1000),
    }
    _log.info("model loaded", extra={"fields": fields})
    return InferenceServer(manifest, engine, decoders, settings).create_application(), engine


def _bind(host: str, port: int, *, is_shared: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # asyncio recognizes TCP only if the protocol is named, and then turns off Nagle's
        # algorithm, which would delay a response's body by 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            # The kernel spreads the connections over the processes that listen.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        return listener
    except (OSError, OverflowError) as error:
        raise SettingsError(f"cannot listen on {host} port {port}: {error}") from error


async def _run(
    application: ASGIApp, engine: Engine, listener: socket.socket, settings: ServerSettings
) -> None:
    configuration = uvicorn.Config(
        application,
        http=BoundedProtocol,
        loop="asyncio",
        lifespan="on",
        log_config=None,
        access_log=False,
        # Nothing that is served depends on the client's address.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.drain_seconds,
    )
    if isinstance(engine, RemoteEngine):
        engine.watch()
    await uvicorn.Server(configuration).serve(sockets=[listener])


def _exit_in_order(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(0 if number == signal.SIGTERM else 128 + number)


if __name__ == "__main__":
    sys.exit(main())
