"""Runs one training job from its download to its archive."""

import logging
import os
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from local_cloud.sagemaker.jobs.errors import JobFailedError
from local_cloud.sagemaker.jobs.job import reason_of
from local_cloud.sagemaker.jobs.logs import LogStream
from local_cloud.sagemaker.jobs.storage import Storage
from local_cloud.sagemaker.jobs.training import program
from local_cloud.sagemaker.jobs.training.archives import files_of, unpack_source, write_archive
from local_cloud.sagemaker.jobs.training.checkpoints import Checkpoints
from local_cloud.sagemaker.jobs.training.hosts import Host, wait_for_end
from local_cloud.sagemaker.jobs.training.record import TrainingJob
from local_cloud.sagemaker.platform import Platform

logger = logging.getLogger(__name__)

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
# SageMaker waits 120 seconds between SIGTERM and SIGKILL.
_GRACE_SECONDS = 10.0
_POLL_SECONDS = 0.05


class TrainingRun:
    """One run of a training job.

    Args:
        job: the job.
        platform: the emulator's other services.
        storage: S3, with the permissions of the job's role.
        credentials: the variables with the role's credentials.
        python: interpreter of the training environment.
        directory: a folder for this job alone; it is removed at the end.
        logs: the folder of this job's logs.
        changed: called after each change of the job's status.
    """

    def __init__(
        self,
        job: TrainingJob,
        *,
        platform: Platform,
        storage: Storage,
        credentials: dict[str, str],
        python: Path,
        directory: Path,
        logs: Path,
        changed: Callable[[TrainingJob], None],
    ) -> None:
        self._job = job
        self._platform = platform
        self._storage = storage
        self._credentials = credentials
        self._python = python
        self._directory = directory
        self._logs = logs
        self._changed = changed
        self._folders = {
            host: program.HostFolders((directory / host).absolute()) for host in job.hosts
        }
        self._hosts: list[Host] = []
        self._checkpoints: list[Checkpoints] = []
        self._streams: list[LogStream] = []

    def run(self) -> None:
        """Run the job to its end; its record then has a final status."""
        job = self._job
        end, status = "Failed", "Failed"
        try:
            end = self._work()
            status = "Completed" if end == "Completed" else "Stopped"
        except Exception as error:
            job.fail(reason_of(job, error))
        finally:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._enter(end, status)

    def _work(self) -> str:
        self._enter("Downloading")
        try:
            self._prepare()
            if self._job.stop_requested.is_set():
                return "Stopped"
            self._enter("Training")
            self._start()
            end = self._watch()
        except Exception:
            self._terminate()
            self._close()
            self._keep_output()
            raise
        self._close()
        self._upload()
        return end

    def _prepare(self) -> None:
        """Fill the folders of all hosts."""
        for folders in self._folders.values():
            folders.make()
        for channel in self._job.request.get("InputDataConfig", []):
            self._download(channel["ChannelName"], channel["DataSource"]["S3DataSource"])
        hyperparameters = program.decoded(self._job.request.get("HyperParameters", {}))
        self._check_program(hyperparameters.get(program.PROGRAM))
        submitted = hyperparameters.get(program.SUBMIT_DIRECTORY)
        if not submitted:
            raise JobFailedError(
                f"AlgorithmError: the hyperparameter {program.SUBMIT_DIRECTORY} is missing; "
                "expected the address of the source archive, exit code: 1"
            )
        for host, folders in self._folders.items():
            program.write_configuration(self._job, folders, host)
            unpack_source(self._storage, str(submitted), folders)
            name = hyperparameters[program.PROGRAM]
            if not (folders.code / name).is_file():
                raise JobFailedError(
                    f"AlgorithmError: the source archive has no {name}, exit code: 2"
                )
        self._download_checkpoints()

    def _check_program(self, name: str | None) -> None:
        specification = self._job.request["AlgorithmSpecification"]
        if "ContainerEntrypoint" in specification or "ContainerArguments" in specification:
            raise JobFailedError(
                "AlgorithmError: the local cloud runs script mode only, without a container: it "
                "cannot run ContainerEntrypoint and ContainerArguments, exit code: 1"
            )
        if not name or not str(name).endswith(".py"):
            raise JobFailedError(
                f"AlgorithmError: the hyperparameter {program.PROGRAM} is {name}; the local cloud "
                "runs one Python file of the source archive, such as train.py, exit code: 1"
            )
        if not self._python.exists():
            raise JobFailedError(
                f"InternalServerError: the training environment {self._python} does not exist: "
                "run `make training-environment`"
            )

    def _download(self, channel: str, source: dict[str, str]) -> None:
        """Download a channel once, and give each host its part as links."""
        try:
            objects = list(self._storage.objects(source["S3Uri"]))
        except (ClientError, BotoCoreError) as error:
            raise JobFailedError(f"ClientError: Data download failed:{error}") from error
        shared = self._directory / "channels" / channel
        self._storage.download_all(objects, shared)
        sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
        for number, folders in enumerate(self._folders.values()):
            step = len(self._folders) if sharded else 1
            for found in objects[number if sharded else 0 :: step]:
                file = folders.data / channel / found.path
                file.parent.mkdir(parents=True, exist_ok=True)
                os.link(shared / found.path, file)
            (folders.data / channel).mkdir(exist_ok=True)

    def _download_checkpoints(self) -> None:
        configuration = self._job.request.get("CheckpointConfig")
        if not configuration:
            return
        for folders in self._folders.values():
            checkpoints = Checkpoints(self._storage, configuration["S3Uri"], folders.checkpoints)
            try:
                checkpoints.download()
            except (ClientError, BotoCoreError) as error:
                raise JobFailedError(
                    f"ClientError: Data download failed:Unable to list {configuration['S3Uri']} "
                    f"({error})"
                ) from error
            self._checkpoints.append(checkpoints)

    def _start(self) -> None:
        job = self._job
        started, port = int(time.time()), _free_port()
        hyperparameters = program.decoded(job.request.get("HyperParameters", {}))
        for name, folders in self._folders.items():
            stream = LogStream(
                self._platform, job.scope, group=LOG_GROUP, stream=f"{job.name}/{name}-{started}",
                file=self._logs / f"{name}.log",
            )  # fmt: skip
            self._streams.append(stream)
            self._hosts.append(Host(name, folders.root, self._reader(stream)))
        for host in self._hosts:
            folders = self._folders[host.name]
            environment = program.environment(
                self._platform, job, folders,
                host=host.name, main_port=port, credentials=self._credentials,
            )  # fmt: skip
            host.start(
                program.command(self._python, folders, hyperparameters), folders.code, environment
            )

    def _reader(self, stream: LogStream) -> Callable[[str], None]:
        def read(line: str) -> None:
            stream.write(line)
            self._job.metrics.read(line)

        return read

    def _watch(self) -> str:
        """Wait for the end; return the job's final secondary status."""
        limit = self._job.request.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 86_400)
        deadline = time.monotonic() + limit
        while True:
            if self._job.abandoned.is_set():
                raise JobFailedError("InternalServerError: the local cloud ended")
            codes = [host.exit_code for host in self._hosts]
            if any(codes):
                # A host that was killed makes the others fail: it is the cause.
                failed = max(
                    (host for host in self._hosts if host.exit_code),
                    key=lambda host: bool(host.killed_by),
                )
                failed.close()
                raise JobFailedError(
                    f"AlgorithmError: {failed.failure()}, exit code: {failed.exit_code}"
                )
            if all(code == 0 for code in codes):
                return "Completed"
            if self._job.stop_requested.is_set():
                self._terminate()
                return "Stopped"
            if time.monotonic() > deadline:
                self._enter("Stopping", "Stopping")
                self._terminate()
                return "MaxRuntimeExceeded"
            for stream in self._streams:
                stream.flush()
            for checkpoints in self._checkpoints:
                checkpoints.upload()
            time.sleep(_POLL_SECONDS)

    def _terminate(self) -> None:
        for host in self._hosts:
            host.terminate()
        wait_for_end(self._hosts, 0 if self._job.abandoned.is_set() else _GRACE_SECONDS)

    def _close(self) -> None:
        for host in self._hosts:
            host.close()
        for stream in self._streams:
            stream.close()

    def _upload(self) -> None:
        if self._job.status == "InProgress":
            self._enter("Uploading")
        for checkpoints in self._checkpoints:
            checkpoints.upload(now=True)
        models = [folders.model for folders in self._folders.values()]
        if self._job.model_url.endswith("/"):
            for folder in models:
                for file in files_of(folder):
                    path = file.relative_to(folder).as_posix()
                    self._storage.upload(file, self._job.model_url + path)
        else:
            self._upload_archive("model.tar.gz", models)
        self._upload_output()

    def _upload_output(self) -> None:
        self._upload_archive(
            "output.tar.gz", [folders.output_data for folders in self._folders.values()]
        )

    def _upload_archive(self, name: str, folders: Sequence[Path]) -> None:
        archive = self._directory / name
        if write_archive(folders, archive):
            self._storage.upload(archive, f"{self._job.output_url}/{name}")

    def _keep_output(self) -> None:
        """Keep the checkpoints and the output of a job that failed, as far as possible."""
        if self._job.abandoned.is_set():
            return
        try:
            for checkpoints in self._checkpoints:
                checkpoints.upload(now=True)
            self._upload_output()
        except Exception:
            logger.exception("the output of the failed job %s was not uploaded", self._job.name)

    def _enter(self, secondary_status: str, status: str | None = None) -> None:
        self._job.enter(secondary_status, status)
        self._changed(self._job)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
