"""Runs one transform job: starts the model's server, sends each object, stores each response."""

import http.client
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from local_cloud.sagemaker.errors import HostingError
from local_cloud.sagemaker.hosting.fleet import Fleet, NoHealthyInstanceError
from local_cloud.sagemaker.hosting.hosting import DEFAULT_STARTUP_TIMEOUT_SECONDS, Hosting
from local_cloud.sagemaker.hosting.instance import Instance
from local_cloud.sagemaker.hosting.model_server_client import InstanceResponse
from local_cloud.sagemaker.jobs.errors import JobFailedError
from local_cloud.sagemaker.jobs.job import reason_of
from local_cloud.sagemaker.jobs.logs import LogStream
from local_cloud.sagemaker.jobs.storage import Storage, StoredObject
from local_cloud.sagemaker.jobs.transform.manifest import read_manifest
from local_cloud.sagemaker.jobs.transform.record import TransformJob
from local_cloud.sagemaker.platform import Platform

LOG_GROUP = "/aws/sagemaker/TransformJobs"
_BYTES_OF_MB = 1024 * 1024
_RETRY_SECONDS = 1.0


class TransformRun:
    """One run of a transform job.

    Args:
        job: the job.
        model: DescribeModel's response.
        platform: the emulator's other services.
        hosting: knows how to start the model's server.
        storage: S3, with the permissions of the model's role.
        directory: a folder for this job alone; it is removed at the end.
        logs: the folder of this job's logs.
        changed: called after each change of the job's status.
    """

    def __init__(
        self,
        job: TransformJob,
        *,
        model: dict[str, Any],
        platform: Platform,
        hosting: Hosting,
        storage: Storage,
        directory: Path,
        logs: Path,
        changed: Callable[[TransformJob], None],
    ) -> None:
        self._job = job
        self._model = model
        self._platform = platform
        self._hosting = hosting
        self._storage = storage
        self._directory = directory
        self._logs = logs
        self._changed = changed
        started = int(time.time())
        self._started = started
        self._data_log = self._stream(f"{job.name}/data-log-{started}", logs / "data.log")

    def run(self) -> None:
        """Run the job to its end; its record then has a final status."""
        job = self._job
        status = "Failed"
        try:
            job.start_time = time.time()
            self._transform()
            status = "Stopped" if job.stop_requested.is_set() else "Completed"
        except HostingError as error:
            job.fail(f"ClientError: {error}")
        except Exception as error:
            job.fail(reason_of(job, error))
        finally:
            self._data_log.close()
            shutil.rmtree(self._directory, ignore_errors=True)
            job.end(status)
            self._changed(job)

    def _transform(self) -> None:
        job = self._job
        specification = self._hosting.specification(
            job.scope, self._model, self._directory / "model",
            startup_timeout_seconds=DEFAULT_STARTUP_TIMEOUT_SECONDS,
            environment={
                **job.request.get("Environment", {}),
                "SAGEMAKER_BATCH": "true",
                "SAGEMAKER_BATCH_STRATEGY": job.batch_strategy,
                "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": str(job.max_concurrent),
                "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(job.max_payload_mb),
            },
        )  # fmt: skip
        count = job.request["TransformResources"]["InstanceCount"]
        fleet = Fleet(lambda number: Instance(specification, self._log_file(number)))
        try:
            fleet.resize(count)
            self._send_all(fleet, count * job.max_concurrent)
        finally:
            fleet.resize(0, drain_seconds=0)
            for number in range(1, count + 1):
                self._publish_log(number)

    def _send_all(self, fleet: Fleet, concurrent: int) -> None:
        url = self._job.input_url
        find = read_manifest if self._job.has_manifest else Storage.objects
        objects = list(find(self._storage, url))
        with ThreadPoolExecutor(max_workers=concurrent) as pool:
            done = list(pool.map(lambda found: self._send(fleet, found), objects))
        # As in SageMaker, the responses to the other objects are kept.
        if not all(done) and not self._is_ending():
            raise JobFailedError(
                f"AlgorithmError: See job logs for more information ({done.count(False)} of "
                f"{len(done)} objects failed; the first: {objects[done.index(False)].address})"
            )

    def _send(self, fleet: Fleet, found: StoredObject) -> bool:
        """Send one object to the model and store the response; return whether that worked."""
        if self._is_ending():
            return False
        with tempfile.TemporaryDirectory(dir=self._directory) as folder:
            file = Path(folder, "object")
            self._storage.download(found, file)
            size_bytes = file.stat().st_size
            if size_bytes > self._job.max_payload_mb * _BYTES_OF_MB:
                return self._failed(
                    found,
                    f"Too much data for max payload size: {size_bytes} bytes, MaxPayloadInMB "
                    f"{self._job.max_payload_mb}",
                )
            response = self._invoke(fleet, file.read_bytes())
            if response is None:
                return self._failed(found, "No response from the algorithm")
            if response.status != http.client.OK:
                text = response.body.decode("utf-8", "replace")
                return self._failed(
                    found, f"Bad HTTP status received from algorithm: {response.status}: {text}"
                )
            file.write_bytes(response.body)
            self._storage.upload(file, f"{self._job.output_url}/{found.path}.out")
        return True

    def _invoke(self, fleet: Fleet, body: bytes) -> InstanceResponse | None:
        given = {
            "Content-Type": self._job.request["TransformInput"].get("ContentType"),
            "Accept": self._job.request["TransformOutput"].get("Accept"),
        }
        headers = {name: value for name, value in given.items() if value}
        for attempt in range(self._job.max_retries + 1):
            if attempt:
                self._job.stop_requested.wait(_RETRY_SECONDS)
            if self._is_ending():
                return None
            try:
                with fleet.lease() as instance:
                    response = instance.server.invoke(body, headers, self._job.timeout_seconds)
            except (NoHealthyInstanceError, OSError, http.client.HTTPException) as error:
                self._data_log.write(f"{error!r}; attempt {attempt + 1}")
                continue
            # An overloaded server says so, and may respond to the next attempt.
            if response.status < 500 or attempt == self._job.max_retries:
                return response
        return None

    def _failed(self, found: StoredObject, reason: str) -> bool:
        self._data_log.write(f"{found.address}: {reason}")
        return False

    def _is_ending(self) -> bool:
        return self._job.stop_requested.is_set() or self._job.abandoned.is_set()

    def _log_file(self, number: int) -> Path:
        return self._logs / f"instance-{number}.log"

    def _publish_log(self, number: int) -> None:
        """Write the output of one instance to CloudWatch Logs."""
        if self._job.abandoned.is_set() or not self._log_file(number).exists():
            return
        stream = self._stream(f"{self._job.name}/i-{number}-{self._started}", None)
        try:
            for line in self._log_file(number).read_text(errors="replace").splitlines():
                stream.write(line)
        finally:
            stream.close()

    def _stream(self, stream: str, file: Path | None) -> LogStream:
        return LogStream(self._platform, self._job.scope, group=LOG_GROUP, stream=stream, file=file)
