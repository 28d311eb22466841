"""Serves the emulated AWS until SIGTERM.

MiniStack reads its settings from the environment when it is imported: this module is imported in
a process that was started with `environment.server_environment`.
"""

import asyncio
import logging
import os
import signal
from pathlib import Path

import ministack.app
import psutil
from hypercorn.asyncio import serve
from hypercorn.config import Config

from local_cloud.autoscaling.scaler import Scaler
from local_cloud.autoscaling.targets import ScalingService
from local_cloud.clock import Clock
from local_cloud.cloudformation import resource_handlers
from local_cloud.cloudwatch.alarms import AlarmEngine
from local_cloud.connections import ignore_ended_connections
from local_cloud.gateway import Gateway
from local_cloud.guard import start_guard
from local_cloud.ministack_hooks import install
from local_cloud.ministack_hooks.alarms import MiniStackAlarms, install_alarms
from local_cloud.ministack_hooks.platform import MiniStackPlatform, current_scope
from local_cloud.ministack_hooks.rollback_alarms import RollbackAlarms
from local_cloud.place import Place
from local_cloud.pulse import start_pulse
from local_cloud.sagemaker.endpoints import Endpoints
from local_cloud.sagemaker.hosting.fleet_metrics import FleetMetrics
from local_cloud.sagemaker.hosting.hosting import Hosting
from local_cloud.sagemaker.hosting.images import Images
from local_cloud.sagemaker.jobs.jobs import Jobs
from local_cloud.sagemaker.service import SageMakerService
from local_cloud.service_quotas import ServiceQuotasService
from local_cloud.settled_stacks import SettledStacks

logger = logging.getLogger("local_cloud")

_GRACE_SECONDS = 2.0
_DIRECTORY_POLL_SECONDS = 2.0


def run(
    place: Place,
    *,
    assembly: Path,
    python: Path,
    training_python: Path,
    port: int,
    public_port: int,
    clock: Clock,
) -> None:
    """Serve until SIGTERM, then stop every child process.

    Args:
        place: the state directory.
        assembly: the folder that `cdk synth` writes.
        python: interpreter of the environment of the model server.
        training_python: interpreter of the environment of training jobs.
        port: TLS port of the AWS APIs.
        public_port: plain-http port of the deployed API.
        clock: the time of metrics, alarms, scaling and rollouts.

    Raises:
        Exception: the cloud could not be started, or ended early.
    """
    start_guard(place.directory)
    endpoints, jobs = _install(
        place,
        assembly=assembly,
        python=python,
        training_python=training_python,
        port=port,
        clock=clock,
    )
    try:
        # Not asyncio.run, which would wait for unfinished tasks at the end.
        asyncio.new_event_loop().run_until_complete(
            _serve(place, port=port, public_port=public_port)
        )
    finally:
        try:
            jobs.stop()
            endpoints.stop()
        finally:
            _end_children()


def _install(
    place: Place,
    *,
    assembly: Path,
    python: Path,
    training_python: Path,
    port: int,
    clock: Clock,
) -> tuple[Endpoints, Jobs]:
    platform = MiniStackPlatform(
        endpoint_url=f"https://localhost:{port}", certificate=place.certificate
    )
    images = Images(assembly, place.temporary / "images")
    store = MiniStackAlarms()
    hosting = Hosting(
        platform=platform,
        images=images,
        python=python,
        models=place.temporary / "models",
        logs=place.logs / "endpoints",
        clock=clock,
    )
    endpoints = Endpoints(hosting, clock, RollbackAlarms(platform).raised)
    jobs = Jobs(
        platform=platform,
        hosting=hosting,
        training_python=training_python,
        directory=place.temporary / "jobs",
        logs=place.logs,
    )
    sagemaker = SageMakerService(platform=platform, images=images, endpoints=endpoints, jobs=jobs)
    alarms = AlarmEngine(store, clock)
    scaler = Scaler(endpoints, store.read, alarms, clock)
    scaling = ScalingService(endpoints, scaler, clock)
    install(
        {
            "sagemaker": sagemaker.handle,
            "application-autoscaling": scaling.handle,
            "servicequotas": ServiceQuotasService().handle,
        },
        resource_handlers(sagemaker, scaling, current_scope),
        platform=platform,
        port=port,
        access_log=place.access_log,
        clock=clock,
    )
    install_alarms(clock, store)
    measured = FleetMetrics(endpoints, platform, store.read, clock, place.temporary)
    start_pulse([measured.tick, alarms.tick, scaler.tick], clock)
    return endpoints, jobs


async def _serve(place: Place, *, port: int, public_port: int) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    ignore_ended_connections(loop)
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
    watch = asyncio.create_task(_stop_without_directory(place, stopping))
    stopped = asyncio.create_task(stopping.wait())
    await asyncio.wait({server, stopped}, return_when=asyncio.FIRST_COMPLETED)
    watch.cancel()
    # Otherwise a client's idle connection would delay the shutdown by half a minute.
    ended, _ = await asyncio.wait({server}, timeout=_GRACE_SECONDS)
    for task in ended:
        task.result()  # raises the error that ended the server early


async def _stop_without_directory(place: Place, stopping: asyncio.Event) -> None:
    """Stop the cloud when its state directory is deleted, since `down` could not find it then."""
    # os.path, which returns False where Path.exists raises: a parent folder without permission.
    while os.path.exists(place.certificate):  # noqa: PTH110
        await asyncio.sleep(_DIRECTORY_POLL_SECONDS)
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
