"""What an execution refuses before it costs anything."""

import shlex
import subprocess
import sys
from typing import Any

import pytest

from stacks.settings.stage import StageSettings
from tests.stacks.assembly import Assembly, Json
from tests.stacks.conftest import Synthesize
from tests.stacks.training_account import LIST, PREFIX, TRAIN
from tests.stacks.training_workflow import INPUT, refused, request, run, with_training


def problems(assembly: Assembly, given: Any, **execution: Any) -> str:
    """Check that an input is refused at once; return what is wrong with it."""
    ended = run(assembly, given, **execution)
    assert len(ended.calls) == 1  # the message to the topic
    problem, expected = refused(ended, "InvalidInput").split(". Expected ")
    assert expected.startswith('{"dataset_prefix": "datasets/flowers/')
    return problem


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "dataset_prefix must be a text that names a folder"),
        ({"dataset_prefix": ""}, "dataset_prefix must be a text that names a folder"),
        ({"dataset_prefix": "//"}, "dataset_prefix must be a text that names a folder"),
        ({"dataset_prefix": 7}, "dataset_prefix must be a text that names a folder"),
        ([INPUT], "The input must be an object"),
        ("flowers", "The input must be an object"),
        ({**INPUT, "hyperparameters": ["epochs", 3]}, "hyperparameters must be an object of "),
        ({**INPUT, "hyperparameters": None}, "hyperparameters must be an object of "),
        ({**INPUT, "commit": 7}, "commit must be a text"),
        ({**INPUT, "data_version": None}, "data_version must be a text"),
        ({**INPUT, "instance": 2, "split": []}, "instance, split is not a member of the input"),
        ({"splits": []}, "dataset_prefix must be a text that names a folder; splits must be a "),
    ],
)
def test_an_invalid_input_is_refused_with_the_expected_one(
    dev: Assembly, given: Any, problem: str
) -> None:
    assert problems(dev, given).startswith(problem)


@pytest.mark.parametrize("instances", [0, -1, 9, 1.5, "2", None, True, [2]])
def test_a_number_of_machines_is_whole_and_bounded(dev: Assembly, instances: Any) -> None:
    problem = problems(dev, {**INPUT, "instances": instances})
    assert problem == "instances must be a whole number from 1 to 8"


@pytest.mark.parametrize("name", ["a" * 37, "a b", "ä", "a.b", "a/b", "a\n"])
def test_the_executions_name_must_fit_a_folder_and_a_package(dev: Assembly, name: str) -> None:
    problem = problems(dev, INPUT, name=name)
    assert problem == "the name of the execution must be 1 to 36 letters, digits, - and _"


@pytest.mark.parametrize("name", ["a" * 36, "A_b-9", "0d5e1f6a-7c1b-4b6e-9a53-0c9f7f2f7b1a"])
def test_other_names_and_those_that_step_functions_makes_are_accepted(
    dev: Assembly, name: str
) -> None:
    assert run(dev, INPUT, name=name).error is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "flowers & pets"),
        ("name", "$(touch here)"),
        ("name", "`touch here`"),
        ("name", "a;b"),
        ("name", "a|b"),
        ("name", "~"),
        ("name", "*"),
        ("name", "{a,b}"),
        ("name", "#"),
        ("name", "'"),
        ("name", '"'),
        ("name", "\\"),
        ("name", "a\n"),
        ("name", "a\nb"),
        ("name", "ä"),
        ("name", ""),
        # The toolkit turns it into an empty string.
        ("name", "null"),
        ("name", None),
        ("name", [1, 2]),
        ("name", {"a": 1}),
    ],
)
def test_a_hyperparameter_that_a_shell_would_change_is_refused(
    dev: Assembly, name: str, value: Any
) -> None:
    """The image's toolkit joins the flags with spaces and runs the line in a shell."""
    assert problems(dev, {**INPUT, "hyperparameters": {"epochs": 3, name: value}}) == (
        "the value of the hyperparameter name must be one or more letters, digits and "
        ". _ : / = + @ , - and not null"
    )


@pytest.mark.parametrize("name", ["", "1a", "-a", "a b", "a;b", "a\n", "$(a)", "ä", "_a"])
def test_a_hyperparameters_name_is_refused_likewise(dev: Assembly, name: str) -> None:
    assert problems(dev, {**INPUT, "hyperparameters": {"epochs": 3, name: 1}}) == (
        f'the hyperparameter name "{name}" must be a letter followed by letters, digits, _ and -'
    )


@pytest.mark.parametrize(
    "name",
    [
        "train", "valid", "test", "data", "model_dir", "model-dir", "output_dir", "output-dir",
        "checkpoint_dir", "checkpoint-dir", "weights_file", "weights-file",
        "sagemaker_program", "sagemaker_submit_directory", "sagemaker-region",
    ],
)  # fmt: skip
def test_a_hyperparameter_that_the_job_sets_itself_is_refused(dev: Assembly, name: str) -> None:
    expected = f"the hyperparameter {name} is set by the job itself"
    assert problems(dev, {**INPUT, "hyperparameters": {name: "x"}}) == expected
    tuning = {"strategy": "Grid", "ranges": {name: {"values": ["x"]}}}
    assert problems(dev, {**INPUT, "tuning": tuning}) == f"tuning: {expected}"


def test_each_allowed_character_passes_a_shell_unchanged(dev: Assembly) -> None:
    characters = "azAZ09._:/=+@,-"
    given = {"from-scratch": characters, "learning_rate": f"-{characters}", "A_z-9": True}
    sent = request(dev, {**INPUT, "hyperparameters": given})["HyperParameters"]
    words = [sent[name] for name in given] + list(given)
    line = " ".join(
        [shlex.quote(sys.executable), "-c", "'import sys; print(sys.argv[1:])'", *words]
    )
    ended = subprocess.run(line, shell=True, capture_output=True, text=True, check=True)  # noqa: S602
    assert ended.stdout == f"{words}\n"


@pytest.mark.parametrize(
    "splits",
    [
        [],
        None,
        "train",
        {"train": "valid"},
        ["train", "valid"],
        ["train", "test"],
        ["valid", "test"],
        ["train", "valid", "valid"],
        ["train", "valid", "test", "test"],
        ["train", "valid", "dev"],
        ["train", "valid", None],
        ["train", "valid", ["test"]],
    ],
)
def test_without_all_three_splits_nothing_can_pass_the_gate(dev: Assembly, splits: Any) -> None:
    problem = problems(dev, {**INPUT, "splits": splits})
    assert problem == "splits must be a list of train, valid and test, each once"


def test_the_splits_may_be_given_in_any_order(dev: Assembly) -> None:
    assert run(dev, {**INPUT, "splits": ["test", "valid", "train"]}).error is None


def test_a_name_that_was_used_would_overwrite_the_archive_of_a_package(dev: Assembly) -> None:
    execution = run(dev, name="made-up_1", is_name_used=True)
    assert execution.requests(TRAIN) == []
    (listed,) = execution.requests(LIST)
    assert refused(execution, "InvalidInput") == (
        f"The name of the execution must be new: s3://{listed['Bucket']}/candidates/made-up_1/"
        "model.tar.gz is the model of an earlier one"
    )


COMPLETE = [f"{PREFIX}/{name}" for name in ("dataset.jsonl", "test/a/1", "train/a/1", "valid/a/1")]


@pytest.mark.parametrize(
    ("keys", "missing"),
    [
        ([], "dataset.jsonl, train/, valid/, test/"),
        (COMPLETE[1:], "dataset.jsonl"),
        ([COMPLETE[0], *COMPLETE[2:]], "test/"),
        # other datasets, and a split whose name begins likewise
        ([f"{key[:-1]}/{key[-1]}" for key in COMPLETE[:1]], "dataset.jsonl, train/, valid/, test/"),
        ([*COMPLETE[:3], f"{PREFIX}/valid-old/a/1"], "valid/"),
        ([f"{PREFIX}-old{key.removeprefix(PREFIX)}" for key in COMPLETE], "dataset.jsonl, train/"),
    ],
)
@pytest.mark.parametrize("prefix", [PREFIX, f"/{PREFIX}/"])
def test_a_dataset_that_is_not_complete_is_missing(
    local: Assembly, keys: list[str], missing: str, prefix: str
) -> None:
    execution = run(local, {"dataset_prefix": prefix}, keys=keys)
    assert execution.requests(TRAIN) == []
    cause = refused(execution, "DatasetMissing")
    assert f"/{PREFIX} has no {missing}" in cause
    assert "`make dataset DATA=<folder>` uploads" in cause


def test_a_complete_dataset_is_found(local: Assembly) -> None:
    assert run(local, keys=[*COMPLETE, f"{PREFIX}/note.txt"]).error is None


def test_packages_that_a_job_would_miss_are_missing_before_it(
    dev: Assembly, dev_settings: StageSettings, synthesize_with: Synthesize
) -> None:
    execution = run(dev, keys=COMPLETE)
    assert execution.requests(TRAIN) == []
    _archive, _dataset, wheels = execution.requests(LIST)
    assert refused(execution, "WheelsMissing").startswith(
        f"s3://{wheels['Bucket']}/{wheels['Prefix']} is missing: `make train ON=sagemaker` uploads "
    )
    assert run(dev, keys=[*COMPLETE, wheels["Prefix"]]).error is None
    with_packages = synthesize_with(with_training(dev_settings, packages="image"))
    assert run(with_packages, keys=COMPLETE).error is None


def test_an_error_of_a_look_up_is_named(dev: Assembly) -> None:
    failure: Json = {"Error": "S3.S3Exception", "Cause": "Access Denied"}
    execution = run(dev, failures={LIST: failure})
    cause = refused(execution, "S3.S3Exception")
    assert cause == "Looking for the archive of an earlier execution: Access Denied"
