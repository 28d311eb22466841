"""What all jobs have: a request, a status, times, tags, and a thread that runs them."""

import contextvars
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from local_cloud.sagemaker.errors import AwsError, validation_error
from local_cloud.sagemaker.jobs.errors import JobFailedError
from local_cloud.sagemaker.moto_backend import Scope

logger = logging.getLogger(__name__)

UNFINISHED = frozenset({"InProgress", "Stopping"})
_END_SECONDS = 3.0
# FailureReason in botocore's model.
_MAX_REASON_LENGTH = 1024


class Job:
    """The record of one job; times are seconds since 1970, as in SageMaker's JSON.

    Args:
        scope: account and region.
        arn: the job's ARN.
        name: the job's name.
        request: the parameters of the request that created it.
    """

    def __init__(self, scope: Scope, arn: str, name: str, request: Mapping[str, Any]) -> None:
        self.scope = scope
        self.arn = arn
        self.name = name
        self.request = dict(request)
        self.tags: list[dict[str, str]] = list(self.request.pop("Tags", []))
        self.status = "InProgress"
        self.failure_reason: str | None = None
        self.creation_time = self.last_modified_time = time.time()
        self.start_time: float | None = None
        self.end_time: float | None = None
        self.stop_requested = threading.Event()
        # The cloud ends: nothing is kept, and nobody is told.
        self.abandoned = threading.Event()
        self.ended = threading.Event()
        self._lock = threading.Lock()

    def folder_in(self, directory: Path) -> Path:
        """Return the folder of this job alone: names are unique in an account and region."""
        return directory / f"{self.scope.account_id}-{self.scope.region}" / self.name

    def describe(self) -> dict[str, Any]:
        """Return the response of the job's Describe operation."""
        raise NotImplementedError

    def fail(self, reason: str) -> None:
        """Set the reason of a failure, which SageMaker cuts to 1,024 characters."""
        self.failure_reason = reason[:_MAX_REASON_LENGTH]

    def request_stop(self, kind: str) -> None:
        """Change the status to Stopping, and tell the job's thread.

        Args:
            kind: for the error's message, such as `transform job`.

        Raises:
            AwsError: the job has ended.
        """
        with self._lock:
            if self.status not in UNFINISHED:
                raise validation_error(
                    f"The request was rejected because the {kind} is in status {self.status}."
                )
            self.status = "Stopping"
        self.stop_requested.set()

    def end(self, status: str) -> None:
        """Set the final status; it is set last, since a client reads the rest with it."""
        with self._lock:
            self.last_modified_time = self.end_time = time.time()
            self.status = status

    def run_in_thread(self, run: Callable[[], None]) -> None:
        """Run a job to its end in a thread of its own; `ended` is set afterwards."""

        def run_and_end() -> None:
            try:
                run()
            finally:
                self.ended.set()

        # In a copy of the request's context: the emulator keeps the account in a context variable.
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(run_and_end,), daemon=True).start()


def reason_of(job: Job, error: Exception) -> str:
    """Return the FailureReason for an error; log errors that the job did not cause."""
    if isinstance(error, JobFailedError):
        return str(error)
    logger.error("job %s could not be run", job.name, exc_info=error)
    return f"InternalServerError: {error!r} (a defect of the local cloud; see its log)"


KindOfJob = TypeVar("KindOfJob", bound=Job)


class JobTable(Generic[KindOfJob]):
    """The jobs of one kind by account, region and name."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[Scope, str], KindOfJob] = {}
        self._lock = threading.Lock()

    def add(self, job: KindOfJob, taken: str) -> None:
        """Add a job.

        Args:
            job: the new job.
            taken: the beginning of the error's message if there is a job of that name.

        Raises:
            AwsError: ResourceInUse: the name is taken, even if that job has ended.
        """
        with self._lock:
            known = self._jobs.get((job.scope, job.name))
            if known:
                raise AwsError("ResourceInUse", f"{taken} ({known.arn})")
            self._jobs[job.scope, job.name] = job

    def get(self, scope: Scope, name: str) -> KindOfJob:
        """Return a job.

        Raises:
            AwsError: there is no job of that name.
        """
        job = self._jobs.get((scope, name))
        if job is None:
            raise validation_error("Requested resource not found.")
        return job

    def of(self, scope: Scope) -> list[KindOfJob]:
        """Return the jobs of an account and region in the order of their creation."""
        return [job for job in list(self._jobs.values()) if job.scope == scope]

    def abandon_all(self) -> list[KindOfJob]:
        """Abandon the jobs that run, since the cloud ends; return them."""
        running = [job for job in list(self._jobs.values()) if not job.ended.is_set()]
        for job in running:
            job.abandoned.set()
        return running

    def end_all(self, kill: Callable[[], None] = lambda: None) -> None:
        """Abandon the jobs that run, and wait a little for their threads.

        Args:
            kill: ends their processes.
        """
        running = self.abandon_all()
        kill()
        for job in running:
            job.ended.wait(_END_SECONDS)
