import botocore.session
import pytest

from stacks.settings import instance_types


@pytest.mark.parametrize("name", ["ml.t2.medium", "ml.t3.xlarge", "ml.t3a.large"])
def test_burstable_types(name: str) -> None:
    assert instance_types.is_burstable(name)


@pytest.mark.parametrize("name", ["ml.m5.large", "ml.trn1.2xlarge", "ml.c6i.large"])
def test_types_that_are_not_burstable(name: str) -> None:
    assert not instance_types.is_burstable(name)


@pytest.mark.parametrize(
    "name",
    ["ml.m6g.large", "ml.c7g.xlarge", "ml.c6gn.large", "ml.r7gd.large", "ml.p6e-gb200.36xlarge"],
)
def test_arm_types(name: str) -> None:
    assert instance_types.is_arm(name)


@pytest.mark.parametrize("name", ["ml.m5.large", "ml.g4dn.xlarge", "ml.g5.xlarge", "ml.g6e.xlarge"])
def test_types_that_are_not_arm(name: str) -> None:
    assert not instance_types.is_arm(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ml.inf1.xlarge", True),
        ("ml.inf2.48xlarge", True),
        ("ml.trn1n.32xlarge", True),
        ("ml.t2.medium", False),
        ("ml.m5.large", False),
        ("ml.g5.xlarge", False),
    ],
)
def test_types_with_chips_of_aws(name: str, expected: bool) -> None:
    assert instance_types.is_neuron(name) is expected


@pytest.mark.parametrize(
    "name",
    ["ml.g4dn.xlarge", "ml.g5.xlarge", "ml.m5d.large", "ml.p4d.24xlarge", "ml.p4de.24xlarge"],
)
def test_types_whose_storage_is_their_own(name: str) -> None:
    assert instance_types.has_local_storage(name)


@pytest.mark.parametrize("name", ["ml.m5.large", "ml.c6i.large", "ml.p3.2xlarge", "ml.p2.xlarge"])
def test_types_whose_storage_is_a_volume(name: str) -> None:
    assert not instance_types.has_local_storage(name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ml.g4dn.xlarge", True),
        ("ml.p3.2xlarge", True),
        ("ml.g6.xlarge", True),
        ("ml.m5.large", False),
        ("ml.inf2.xlarge", False),
    ],
)
def test_types_with_a_gpu(name: str, expected: bool) -> None:
    assert instance_types.has_gpu(name) is expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ml.g4dn.xlarge", True),
        ("ml.g6e.xlarge", True),
        ("ml.p4d.24xlarge", True),
        ("ml.p3.2xlarge", False),
        ("ml.p2.xlarge", False),
        ("ml.m5.large", False),
    ],
)
def test_types_whose_gpu_has_a_current_driver(name: str, expected: bool) -> None:
    assert instance_types.has_current_gpu_driver(name) is expected


@pytest.mark.parametrize("shape", ["ProductionVariantInstanceType", "TrainingInstanceType"])
def test_every_type_of_sagemaker_is_known(shape: str) -> None:
    model = botocore.session.get_session().get_service_model("sagemaker")
    names = model.shape_for(shape).enum  # type: ignore[attr-defined] # stubs: StringShape has it
    assert len(names) > 50
    families = {instance_types.family(name) for name in names if instance_types.is_burstable(name)}
    assert families <= {"t2", "t3", "t3a"}
    # An Arm family ends its generation with "g"; no GPU family may be taken for one.
    arm = {name for name in names if instance_types.is_arm(name)}
    gpu = {name for name in names if instance_types.has_gpu(name)}
    assert {instance_types.family(name) for name in arm & gpu} <= {"p6e-gb200"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ml.t2.medium", 2),
        ("ml.m5.large", 2),
        ("ml.c5.xlarge", 4),
        ("ml.c5.9xlarge", 36),
        ("ml.m4.10xlarge", 40),
        ("ml.c5.18xlarge", 72),
        ("ml.g6e.48xlarge", 192),
        ("ml.c4.4xlarge", 16),
        # Its name tells 32.
        ("ml.c4.8xlarge", 36),
    ],
)
def test_the_vcpus_of_a_type(name: str, expected: int) -> None:
    assert instance_types.vcpu_count(name) == expected
