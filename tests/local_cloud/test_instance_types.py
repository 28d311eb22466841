"""What the settings tell of instance types, compared with moto's copy of EC2's descriptions."""

from stacks.settings.instance_types import is_arm, vcpu_count
from stacks.settings.offered_instance_types import offered_instance_types


def test_every_offered_x86_type_has_the_vcpus_that_ec2_describes() -> None:
    from moto.ec2.models.instance_types import INSTANCE_TYPES

    described = {
        f"ml.{name}": each["VCpuInfo"]["DefaultVCpus"] for name, each in INSTANCE_TYPES.items()
    }
    offered = {
        name for names in offered_instance_types().values() for name in names if not is_arm(name)
    }
    known = offered & described.keys()
    assert len(known) > 150
    assert {name: vcpu_count(name) for name in known} == {name: described[name] for name in known}
