"""The local cloud's process: `python -m local_cloud.server`, started by `up`.

It must be started with `environment.server_environment`: MiniStack reads its
settings from the environment when it is imported.
"""

import argparse
import asyncio
import logging
import os
import signal
from pathlib import Path

import ministack.app
import psutil
from hypercorn.asyncio import serve
from hypercorn.config import Config

from local_cloud.autoscaling.targets import ScalingService
from local_cloud.cloudformation import resource_handlers
from local_cloud.gateway import Gateway
from local_cloud.ministack_hooks import install
from local_cloud.ministack_hooks.platform import MiniStackPlatform, current_scope
from local_cloud.place import Place
from local_cloud.sagemaker.endpoints import Endpoints
from local_cloud.sagemaker.hosting.hosting import Hosting
from local_cloud.sagemaker.hosting.images import Images
from local_cloud.sagemaker.service import SageMakerService
from local_cloud.settled_stacks import SettledStacks

logger = logging.getLogger("local_cloud")

_GRACE_SECONDS = 2.0
_RECORD_POLL_SECONDS = 2.0


def main() -> None:
    """Serve until SIGTERM, then stop every child process."""
    parser = argparse.ArgumentParser(description="The local cloud's server; use `up` instead.")
    parser.add_argument("--state-directory", type=Path, required=True)
    parser.add_argument("--assembly", type=Path, required=True)
    parser.add_argument("--serving-python", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--public-port", type=int, required=True)
    arguments = parser.parse_args()
    place = Place(arguments.state_directory)
    endpoints = _install(
        place, assembly=arguments.assembly, python=arguments.serving_python, port=arguments.port
    )
    try:
        # Not asyncio.run, which would wait for unfinished tasks at the end.
        asyncio.new_event_loop().run_until_complete(
            _serve(place, port=arguments.port, public_port=arguments.public_port)
        )
    finally:
        endpoints.stop()
        _end_children()
        # MiniStack's threads may be waiting for work that never ends.
        logging.shutdown()
        os._exit(0)


def _install(place: Place, *, assembly: Path, python: Path, port: int) -> Endpoints:
    platform = MiniStackPlatform(
        endpoint_url=f"https://localhost:{port}", certificate=place.certificate
    )
    images = Images(assembly, place.temporary / "images")
    endpoints = Endpoints(
        Hosting(
            platform=platform,
            images=images,
            python=python,
            models=place.temporary / "models",
            logs=place.logs / "endpoints",
        )
    )
    sagemaker = SageMakerService(platform=platform, images=images, endpoints=endpoints)
    scaling = ScalingService(endpoints)
    install(
        {"sagemaker": sagemaker.handle, "application-autoscaling": scaling.handle},
        resource_handlers(sagemaker, scaling, current_scope),
        port=port,
    )
    return endpoints


async def _serve(place: Place, *, port: int, public_port: int) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.insecure_bind = [f"127.0.0.1:{public_port}"]
    config.certfile, config.keyfile = str(place.certificate), str(place.private_key)
    config.keep_alive_timeout = 75
    config.graceful_timeout = _GRACE_SECONDS
    config.shutdown_timeout = _GRACE_SECONDS
    config.loglevel = "WARNING"
    gateway = Gateway(SettledStacks(ministack.app.app), public_port=public_port)
    server = asyncio.create_task(serve(gateway, config, shutdown_trigger=stopping.wait))
    watch = asyncio.create_task(_stop_without_record(place, stopping))
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({server, stopped}, return_when=asyncio.FIRST_COMPLETED)
    watch.cancel()
    # Otherwise a client's idle connection would delay the shutdown by half a minute.
    ended, _ = await asyncio.wait({server}, timeout=_GRACE_SECONDS)
    for task in ended:
        task.result()  # raises the error that ended the server early


async def _stop_without_record(place: Place, stopping: asyncio.Event) -> None:
    """Stop the cloud when its state directory is deleted, since `down` could not find it then."""
    while place.certificate.exists():
        await asyncio.sleep(_RECORD_POLL_SECONDS)
    logger.warning("%s is gone; ending", place.directory)
    stopping.set()


def _end_children() -> None:
    children = psutil.Process().children(recursive=True)
    for child in children:
        child.terminate()
    _, alive = psutil.wait_procs(children, timeout=_GRACE_SECONDS)
    for child in alive:
        logger.warning("killing process %s, which did not end", child.pid)
        child.kill()


if __name__ == "__main__":
    main()
