"""Runs one training job from its download to its archive."""

import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from local_cloud.place import TEMPORARY_LINK
from local_cloud.ports import usable_ports
from local_cloud.sagemaker.jobs.errors import JobFailedError
from local_cloud.sagemaker.jobs.job import reason_of
from local_cloud.sagemaker.jobs.logs import LogStream
from local_cloud.sagemaker.jobs.storage import Storage
from local_cloud.sagemaker.jobs.training import hyperparameters, inputs, outputs, program
from local_cloud.sagemaker.jobs.training.checkpoints import Checkpoints
from local_cloud.sagemaker.jobs.training.folders import HostFolders
from local_cloud.sagemaker.jobs.training.hosts import Host, wait_for_end
from local_cloud.sagemaker.jobs.training.record import TrainingJob
from local_cloud.sagemaker.platform import Platform

logger = logging.getLogger(__name__)

# Of the logs and of the metrics.
LOG_GROUP = METRIC_NAMESPACE = "/aws/sagemaker/TrainingJobs"
# SageMaker waits 120 seconds between SIGTERM and SIGKILL.
_GRACE_SECONDS = 10.0
_POLL_SECONDS = 0.05
# Not the cloud's own TMPDIR, whose path may be long.
_TEMPORARY = "/tmp"  # noqa: S108 - mkdtemp makes a folder that only this user can open


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
        self._temporary = Path(tempfile.mkdtemp(prefix="whippet-job-", dir=_TEMPORARY))
        # After a cloud that was killed, `down` finds the folder by this link.
        directory.mkdir(parents=True, exist_ok=True)
        (directory / TEMPORARY_LINK).symlink_to(self._temporary)
        self._folders = {
            host: HostFolders((directory / host).absolute(), self._temporary / host)
            for host in job.hosts
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
            for folder in (self._directory, self._temporary):
                shutil.rmtree(folder, ignore_errors=True)
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
        folders = list(self._folders.values())
        inputs.check_program(self._job, self._python)
        for each in folders:
            each.make()
        shared = self._directory / "channels"
        inputs.download_channels(self._job, self._storage, shared, folders)
        for host, each in self._folders.items():
            inputs.unpack_program(self._job, self._storage, host, each)
        self._checkpoints = inputs.download_checkpoints(self._job, self._storage, folders)

    def _start(self) -> None:
        job = self._job
        started, (port,) = int(time.time()), usable_ports(0)
        given = hyperparameters.decoded(job.request.get("HyperParameters", {}))
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
            host.start(program.command(self._python, folders, given), folders.code, environment)

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
            self._publish_metrics()
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
        self._publish_metrics()

    def _publish_metrics(self) -> None:
        for name, value, time_read in self._job.metrics.take_new():
            self._platform.put_metric(
                name, value, unit="None", dimensions={"TrainingJobName": self._job.name},
                namespace=METRIC_NAMESPACE, at=time_read,
            )  # fmt: skip

    def _upload(self) -> None:
        if self._job.status == "InProgress":
            self._enter("Uploading")
        for checkpoints in self._checkpoints:
            checkpoints.upload(now=True)
        folders = list(self._folders.values())
        outputs.upload_model(self._job, self._storage, folders, self._directory)
        outputs.upload_output(self._job, self._storage, folders, self._directory)

    def _keep_output(self) -> None:
        """Keep the checkpoints and the output of a job that failed, as far as possible."""
        if self._job.abandoned.is_set():
            return
        try:
            for checkpoints in self._checkpoints:
                checkpoints.upload(now=True)
            folders = list(self._folders.values())
            outputs.upload_output(self._job, self._storage, folders, self._directory)
        except Exception:
            logger.exception("the output of the failed job %s was not uploaded", self._job.name)

    def _enter(self, secondary_status: str, status: str | None = None) -> None:
        self._job.enter(secondary_status, status)
        self._changed(self._job)
