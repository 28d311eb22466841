"""Properties of a machine that its SageMaker instance type tells."""

import re
from typing import Annotated, Final

from stacks.settings.base import text

InstanceType = Annotated[
    str, text(r"ml\.[a-z0-9-]+\.[a-z0-9]+", "an instance type of SageMaker such as ml.m5.large")
]

_FAMILIES_WITH_OLD_GPU_DRIVERS = frozenset({"p2", "p3"})
# NVIDIA Volta, or older: CUDA 13 starts with Turing.
_FAMILIES_WITHOUT_CUDA_13 = frozenset({"p2", "p3", "p3dn"})
# Types whose size does not tell their vCPUs.
_OTHER_VCPU_COUNTS: Final = {"ml.c4.8xlarge": 36}
_FIRST_GENERATION_WITH_BF16: Final = 7
# Families with local NVMe storage although their names have no "d".
_FAMILIES_WITH_LOCAL_STORAGE = frozenset(
    {
        "g5",
        "g6",
        "g6e",
        "g7",
        "g7e",
        "gr6",
        "p5",
        "p5e",
        "p5en",
        "p6-b200",
        "p6-b300",
        "trn1",
        "trn2",
    }
)


def family(instance_type: str) -> str:
    """Return the family of an instance type: "m5d" for "ml.m5d.large"."""
    return instance_type.split(".")[1]


def is_burstable(instance_type: str) -> bool:
    """Return whether this is an ml.t* instance, which Application Auto Scaling rejects."""
    return family(instance_type).startswith("t") and not family(instance_type).startswith("trn")


def is_arm(instance_type: str) -> bool:
    """Return whether this is an Arm machine: Graviton ("m6g", "c7gn") or Grace ("p6e-gb200")."""
    return re.fullmatch(r"[a-z]+\d+g[a-z]*|p\d+e-gb\d+", family(instance_type)) is not None


def is_neuron(instance_type: str) -> bool:
    """Return whether this machine computes on AWS Inferentia or Trainium (ml.inf*, ml.trn*)."""
    return family(instance_type).startswith(("inf", "trn"))


def vcpu_count(instance_type: str) -> int:
    """Return the number of the machine's vCPUs, which its size tells for all x86 types but a few.

    Source: the sizes of x86 types at aws.amazon.com/ec2/instance-types: medium and large have 2,
    xlarge has 4, and Nxlarge has 4 N.
    """
    if instance_type in _OTHER_VCPU_COUNTS:
        return _OTHER_VCPU_COUNTS[instance_type]
    size = instance_type.rpartition(".")[2]
    factor = size.removesuffix("xlarge")
    return 2 if factor == size else 4 * int(factor or 1)


def has_local_storage(instance_type: str) -> bool:
    """Return whether the machine's storage is local NVMe.

    SageMaker rejects a volume key for such types (g4dn, g5 and others); their hardware encrypts
    the disks.
    """
    return (
        family(instance_type) in _FAMILIES_WITH_LOCAL_STORAGE
        or re.fullmatch(r"[a-z]+\d+[a-z]*d[a-z]*", family(instance_type)) is not None
    )


def has_gpu(instance_type: str) -> bool:
    """Return whether this is a machine with an NVIDIA GPU (ml.g* and ml.p*)."""
    return re.match(r"(g|gr|p)\d", family(instance_type)) is not None


def lacks_bf16(instance_type: str) -> bool:
    """Return whether the processor of this x86 type has no bf16 instructions.

    The first with them are Intel's Sapphire Rapids (m7i, c7i, r7i) and AMD's Zen 4 (m7a), and no
    type of a family numbered lower than 7 has one of these or a later one.
    Source: docs.aws.amazon.com/ec2/latest/instancetypes, "CPU specifications" of each family.
    """
    number = re.search(r"\d+", family(instance_type))
    return number is not None and int(number[0]) < _FIRST_GENERATION_WITH_BF16


def has_current_gpu_driver(instance_type: str) -> bool:
    """Return whether SageMaker can run this GPU type with an NVIDIA driver of the 580 series.

    Types with old GPUs stay at driver 470, and CUDA 12 needs 525
    (docs.aws.amazon.com/sagemaker/latest/dg/inference-gpu-drivers.html).
    """
    return has_gpu(instance_type) and family(instance_type) not in _FAMILIES_WITH_OLD_GPU_DRIVERS


def supports_cuda_13(instance_type: str) -> bool:
    """Return whether the machine's GPU can compute with CUDA 13, which starts with Turing (g4dn).

    Source: docs.nvidia.com/cuda/cuda-toolkit-release-notes, "Deprecated Architectures".
    """
    return has_gpu(instance_type) and family(instance_type) not in _FAMILIES_WITHOUT_CUDA_13
