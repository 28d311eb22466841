from pathlib import Path

import botocore
import botocore.session
import pytest

from stacks.settings.offered_instance_types import Use, offered_instance_types
from stacks.settings.stage import StageSettings
from tests.stacks.settings.stage_file import load_text, refusal_of, section

SECTIONS: dict[Use, str] = {"hosting": "serving", "training": "training"}


def text_of(use: Use, kind: str) -> str:
    return section(SECTIONS[use], {"instance_type": f'"{kind}"'})


def instance_type_of(settings: StageSettings, use: Use) -> str:
    return settings.serving.instance_type if use == "hosting" else settings.training.instance_type


@pytest.mark.parametrize(
    ("use", "shape"),
    [("hosting", "ProductionVariantInstanceType"), ("training", "TrainingInstanceType")],
)
def test_the_types_are_those_that_botocore_lists(use: Use, shape: str) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    listed = model.shape_for(shape).enum  # type: ignore[attr-defined] # stubs: StringShape has it
    assert offered_instance_types()[use] == tuple(listed)
    assert len(listed) > 50


@pytest.mark.parametrize(
    ("use", "kind"),
    [
        ("hosting", "ml.m5.large"),
        ("hosting", "ml.c7i.large"),
        ("training", "ml.m5.xlarge"),
        ("training", "ml.t3.medium"),
        ("training", "ml.g5.xlarge"),
    ],
)
def test_an_offered_type_is_accepted(tmp_path: Path, use: Use, kind: str) -> None:
    assert instance_type_of(load_text(tmp_path, text_of(use, kind)), use) == kind


@pytest.mark.parametrize(
    ("use", "kind", "near"),
    [
        ("hosting", "ml.m5.lagre", "ml.m5.large"),
        ("hosting", "ml.m5.16xlarge", "ml.m5.12xlarge"),
        ("hosting", "ml.t3.medium", "ml.t2.medium"),  # for training only
        ("training", "ml.g5.xlrage", "ml.g5.xlarge"),
        ("training", "ml.t2.medium", "ml.t3.medium"),  # for endpoints only
    ],
)
def test_a_type_that_is_not_offered_is_refused_with_the_nearest_one(
    tmp_path: Path, use: Use, kind: str, near: str
) -> None:
    message = refusal_of(tmp_path, text_of(use, kind))
    assert message.startswith(f"{SECTIONS[use]}.instance_type = {kind!r} is not an instance type")
    assert f"of SageMaker {use}, did you mean {near}?" in message


def test_the_way_to_a_newer_type_is_told(tmp_path: Path) -> None:
    message = refusal_of(tmp_path, text_of("hosting", "ml.zzz999.quark"))
    assert "expected a type such as ml.m5.large" in message
    assert f"newer than botocore {botocore.__version__}" in message
    assert "raise boto3 and botocore in requirements.txt, then run `make environments`" in message


@pytest.mark.parametrize(
    ("use", "kind", "reason"),
    [
        ("hosting", "ml.inf1.xlarge", "engines run on CPUs and NVIDIA GPUs"),
        ("hosting", "ml.inf2.xlarge", "engines run on CPUs and NVIDIA GPUs"),
        ("hosting", "ml.trn1.2xlarge", "engines run on CPUs and NVIDIA GPUs"),
        # Not offered for training, which is not what the caller needs to know.
        ("training", "ml.inf2.xlarge", "train.py runs on CPUs and NVIDIA GPUs"),
        ("training", "ml.trn1.2xlarge", "train.py runs on CPUs and NVIDIA GPUs"),
        ("training", "ml.trn2.48xlarge", "train.py runs on CPUs and NVIDIA GPUs"),
    ],
)
def test_an_accelerator_that_nothing_here_runs_on_is_refused_with_the_reason(
    tmp_path: Path, use: Use, kind: str, reason: str
) -> None:
    message = refusal_of(tmp_path, text_of(use, kind))
    assert message.startswith(
        f"{SECTIONS[use]}.instance_type = {kind!r} computes on AWS Inferentia or Trainium: "
    )
    assert reason in message
