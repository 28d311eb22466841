"""What `make train ON=ec2` starts: a machine that trains one model and ends itself."""

from pathlib import Path

from aws_cdk import CfnTag, Fn, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks.components.ec2_trainer.machine_image import machine_image
from stacks.components.ec2_trainer.time_limit import TimeLimit
from stacks.components.ec2_trainer.torch_packages import TORCH_PACKAGES
from stacks.components.ec2_trainer.trainer_role import TrainerRole
from stacks.components.ec2_trainer.user_data import user_data
from stacks.components.shared.closed_security_group import closed_security_group
from stacks.components.shared.encrypted_log_group import encrypted_log_group
from stacks.components.storage.buckets import Buckets
from stacks.components.training.model_packages import ModelPackages
from stacks.errors import SettingsError
from stacks.names import EC2_TRAINER_TAG
from stacks.settings.stage import StageSettings

_PROGRAM = Path(__file__).resolve().parents[3] / "instance_src"
# Of Amazon Linux 2023 and of the Deep Learning AMIs that are made from it.
_ROOT_DEVICE = "/dev/xvda"


class Ec2Trainer(Construct):
    """A launch template whose machines train, and the function that ends those that hang.

    Nothing runs, and nothing costs, until somebody starts a machine from the template.

    Attributes:
        launch_template: of machines that run `instance_src/`.
        log_group: has a stream for each job.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: StageSettings,
        buckets: Buckets,
        key: kms.IKey | None,
        source: s3_assets.Asset,
        packages: ModelPackages,
        serving_image_uri: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self.log_group = encrypted_log_group(
            self, "Logs", key=key, retention_days=settings.log_retention_days
        )
        program = s3_assets.Asset(
            self, "Program", path=str(_PROGRAM), exclude=["**/__pycache__", "**/*.pyc"]
        )
        role = TrainerRole(
            self,
            "TrainerRole",
            settings=settings,
            buckets=buckets,
            packages=packages,
            assets=[program, source],
            log_group=self.log_group,
        ).role
        trainer, training = settings.ec2_trainer, settings.training
        script = user_data(
            self,
            shutdown_minutes=trainer.shutdown_minutes,
            program_url=program.s3_object_url,
            stage={
                "datasets_bucket": buckets.datasets.bucket_name,
                "models_bucket": buckets.models.bucket_name,
                "source_url": source.s3_object_url,
                "log_group": self.log_group.log_group_name,
                "package_group": settings.name,
                "serving_image": serving_image_uri,
                "torch_packages": list(TORCH_PACKAGES),
                "max_runtime_seconds": trainer.max_runtime_seconds,
                "minimum_test_accuracy": training.minimum_test_accuracy,
                "maximum_accuracy_loss": training.maximum_accuracy_loss,
            },
        )
        self.launch_template = self._launch_template(settings, role, script)
        TimeLimit(
            self,
            "TimeLimit",
            trainer=settings.name,
            limit_minutes=trainer.limit_minutes,
            instances_arn=Stack.of(self).format_arn(
                service="ec2", resource="instance", resource_name="*"
            ),
            log_group=self.log_group,
        )

    def _launch_template(
        self, settings: StageSettings, role: iam.Role, script: str
    ) -> ec2.CfnLaunchTemplate:
        trainer = settings.ec2_trainer
        if trainer.vpc_id is None or trainer.subnet_id is None:
            raise SettingsError("ec2_trainer.vpc_id and subnet_id: expected both for a trainer")
        group = closed_security_group(
            self,
            "SecurityGroup",
            vpc_id=trainer.vpc_id,
            description="Machines that train: nothing comes in, HTTPS goes out",
        )
        profile = iam.CfnInstanceProfile(self, "InstanceProfile", roles=[role.role_name])
        tags = [
            CfnTag(key="Name", value=f"{settings.name}-trainer"),
            CfnTag(key=EC2_TRAINER_TAG, value=settings.name),
        ]
        template = ec2.CfnLaunchTemplate
        return template(
            self,
            "LaunchTemplate",
            launch_template_data=template.LaunchTemplateDataProperty(
                image_id=machine_image(trainer),
                instance_type=trainer.instance_type,
                iam_instance_profile=template.IamInstanceProfileProperty(arn=profile.attr_arn),
                instance_initiated_shutdown_behavior="terminate",
                user_data=Fn.base64(script),
                metadata_options=template.MetadataOptionsProperty(
                    http_tokens="required",
                    http_put_response_hop_limit=1,
                    # The tag with the job's name is read there, without a permission for EC2.
                    instance_metadata_tags="enabled",
                ),
                network_interfaces=[
                    template.NetworkInterfaceProperty(
                        device_index=0,
                        subnet_id=trainer.subnet_id,
                        groups=[group.attr_group_id],
                        delete_on_termination=True,
                    )
                ],
                block_device_mappings=[
                    template.BlockDeviceMappingProperty(
                        device_name=_ROOT_DEVICE,
                        ebs=template.EbsProperty(
                            volume_size=trainer.volume_size_gib,
                            volume_type="gp3",
                            # With the account's own key: ours would have to be granted to each
                            # person who starts a machine.
                            encrypted=True,
                            delete_on_termination=True,
                        ),
                    )
                ],
                tag_specifications=[
                    template.TagSpecificationProperty(resource_type=kind, tags=tags)
                    for kind in ("instance", "volume")
                ],
            ),
        )
