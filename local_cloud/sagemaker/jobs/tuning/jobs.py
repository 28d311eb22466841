"""The operations of tuning jobs, and their course."""

import itertools
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from local_cloud.sagemaker.errors import AwsError
from local_cloud.sagemaker.jobs.errors import JobFailedError
from local_cloud.sagemaker.jobs.events import announce
from local_cloud.sagemaker.jobs.job import UNFINISHED, JobTable, reason_of
from local_cloud.sagemaker.jobs.listing import list_page, page
from local_cloud.sagemaker.jobs.training.jobs import TrainingJobs
from local_cloud.sagemaker.jobs.tuning.candidates import Tuned, grid, random_candidates
from local_cloud.sagemaker.jobs.tuning.checks import check_tuning
from local_cloud.sagemaker.jobs.tuning.record import Trial, TuningJob
from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.platform import Platform

_POLL_SECONDS = 0.05
# SageMaker gives up after so many trials without an objective.
_ATTEMPTS = 5


class TuningJobs:
    """Creates, describes, lists and stops tuning jobs.

    Args:
        platform: the emulator's other services.
        training: starts the trials.
    """

    def __init__(self, *, platform: Platform, training: TrainingJobs) -> None:
        self._platform = platform
        self._training = training
        self.table = JobTable[TuningJob]()

    def create(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle CreateHyperParameterTuningJob."""
        check_tuning(parameters)
        job = TuningJob(scope, parameters)
        first, candidates = _peek(_candidates(job))
        self._training.check(scope, job.trial_request(f"{job.name}-001", first))
        self.table.add(
            job,
            "Hyperparameter tuning job names must be unique within an AWS account and region, and "
            "a tuning job with this name already exists",
        )
        self._announce(job)
        job.run_in_thread(lambda: self._run(job, candidates))
        return {"HyperParameterTuningJobArn": job.arn}

    def describe(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle DescribeHyperParameterTuningJob."""
        return self.table.get(scope, parameters["HyperParameterTuningJobName"]).describe()

    def list(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle ListHyperParameterTuningJobs."""
        return list_page(
            self.table.of(scope), parameters, "HyperParameterTuningJobSummaries",
            TuningJob.summary, sort_by="Name",
        )  # fmt: skip

    def list_trials(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle ListTrainingJobsForHyperParameterTuningJob."""
        job = self.table.get(scope, parameters["HyperParameterTuningJobName"])
        status = parameters.get("StatusEquals")
        sort_by = parameters.get("SortBy", "Name")
        trials = [trial for trial in job.trials if status in (None, trial.job.status)]
        if sort_by == "FinalObjectiveMetricValue":
            trials = [trial for trial in trials if trial.objective is not None]
        order = {
            "Name": lambda trial: trial.name,
            "CreationTime": lambda trial: trial.job.creation_time,
            "Status": lambda trial: trial.job.status,
            "FinalObjectiveMetricValue": lambda trial: trial.objective,
        }
        trials.sort(key=order[sort_by], reverse=parameters.get("SortOrder") == "Descending")
        summaries = [trial.summary() for trial in trials]
        return page(summaries, parameters, "TrainingJobSummaries")

    def stop(self, scope: Scope, parameters: dict[str, Any]) -> dict[str, Any]:
        """Handle StopHyperParameterTuningJob."""
        job = self.table.get(scope, parameters["HyperParameterTuningJobName"])
        job.request_stop("hyperparameter tuning job")
        self._announce(job)
        return {}

    def stop_all(self) -> None:
        """Start no further trial, since the cloud ends."""
        self.table.abandon_all()

    def _run(self, job: TuningJob, candidates: Iterator[Tuned]) -> None:
        try:
            status = self._work(job, candidates)
        except Exception as error:
            self._stop_trials(job)
            job.fail(reason_of(job, error))
            status = "Failed"
        job.end(status)
        self._announce(job)

    def _work(self, job: TuningJob, candidates: Iterator[Tuned]) -> str:
        limits = job.configuration["ResourceLimits"]
        deadline = time.monotonic() + limits.get("MaxRuntimeInSeconds", float("inf"))
        has_more = True
        while not job.abandoned.is_set():
            running = [trial for trial in job.trials if not trial.job.ended.is_set()]
            _check_attempts(job, is_last=not (has_more or running))
            if job.stop_requested.is_set():
                self._stop_trials(job)
                return "Stopped"
            if _reached_target(job) or time.monotonic() > deadline:
                self._stop_trials(job)
                return "Completed"
            if has_more and len(running) < limits["MaxParallelTrainingJobs"]:
                candidate = next(candidates, None)
                has_more = candidate is not None
                if candidate is not None:
                    self._start_trial(job, candidate)
            elif running:
                time.sleep(_POLL_SECONDS)
            else:
                return "Completed"
        return "Stopped"

    def _start_trial(self, job: TuningJob, tuned: Tuned) -> None:
        name = f"{job.name}-{len(job.trials) + 1:03}-{uuid4().hex[:8]}"
        try:
            training_job = self._training.start(
                job.scope, job.trial_request(name, tuned), tuning_job_arn=job.arn
            )
        except AwsError as error:
            raise JobFailedError(error.message) from error
        job.trials.append(Trial(training_job, tuned, job.objective["MetricName"]))
        job.last_modified_time = time.time()

    def _stop_trials(self, job: TuningJob) -> None:
        for trial in job.trials:
            if trial.job.status in UNFINISHED:
                try:
                    self._training.stop(job.scope, {"TrainingJobName": trial.name})
                except AwsError:
                    continue  # it has ended meanwhile
        for trial in job.trials:
            trial.job.ended.wait()

    def _announce(self, job: TuningJob) -> None:
        announce(self._platform, job, "SageMaker HyperParameter Tuning Job State Change")


def _candidates(job: TuningJob) -> Iterator[Tuned]:
    ranges, limits = job.configuration["ParameterRanges"], job.configuration["ResourceLimits"]
    if job.configuration["Strategy"] == "Grid":
        return iter(grid(ranges))
    seed = str(job.configuration.get("RandomSeed", job.name))
    return itertools.islice(random_candidates(ranges, seed), limits["MaxNumberOfTrainingJobs"])


def _peek(candidates: Iterator[Tuned]) -> tuple[Tuned, Iterator[Tuned]]:
    first = next(candidates)
    return first, itertools.chain([first], candidates)


def _check_attempts(job: TuningJob, *, is_last: bool) -> None:
    """Fail a tuning job of which no trial has an objective.

    Raises:
        JobFailedError: in SageMaker's words.
    """
    ended = [trial for trial in job.trials if trial.job.ended.is_set()]
    if not ended or not (is_last or len(ended) >= _ATTEMPTS) or job.best:
        return
    if all(trial.job.status == "Failed" for trial in ended):
        raise JobFailedError(
            f"No training job succeeded after {len(ended)} attempts. Please take a look at the "
            "training job failures to get more details."
        )
    raise JobFailedError(
        f"No objective metrics found after running {len(ended)} training jobs. Please ensure that "
        "the custom algorithm is emitting the objective metric as defined by the regular "
        "expression provided."
    )


def _reached_target(job: TuningJob) -> bool:
    criteria = job.configuration.get("TuningJobCompletionCriteria", {})
    target = criteria.get("TargetObjectiveMetricValue")
    if target is None:
        return False
    best = job.best
    if best is None or best.objective is None:
        return False
    if job.objective["Type"] == "Maximize":
        return best.objective >= float(target)
    return best.objective <= float(target)
