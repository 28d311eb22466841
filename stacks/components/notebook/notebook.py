"""A notebook instance that works with one stage."""

from aws_cdk import Fn
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.components.notebook.notebook_role import NotebookRole
from stacks.components.notebook.start_script import start_script
from stacks.components.shared.acknowledgement import acknowledge
from stacks.components.shared.closed_security_group import closed_security_group
from stacks.components.storage.buckets import Buckets
from stacks.settings.stage import StageSettings

# The newest that CloudFormation's schema has, and its default. SageMaker's API has
# notebook-al2023-v2 as well, which neither that schema nor AWS's guide has: CDK's validation
# rejects the template, and CloudFormation would.
_PLATFORM = "notebook-al2023-v1"


class Notebook(Construct):
    """A notebook instance without root access that stops when it is idle.

    Its user may look at data, start training and see its result, and classify images; not approve
    a model, and not deploy one.

    Attributes:
        instance: the notebook instance.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: StageSettings,
        buckets: Buckets,
        key: kms.IKey | None,
        state_machine: sfn.StateMachine,
    ) -> None:
        super().__init__(scope, construct_id)
        notebook = settings.notebook
        role = NotebookRole(
            self,
            "NotebookRole",
            settings=settings,
            buckets=buckets,
            key=key,
            state_machine=state_machine,
        )
        configuration = sagemaker.CfnNotebookInstanceLifecycleConfig(
            self,
            "IdleStop",
            on_start=[
                sagemaker.CfnNotebookInstanceLifecycleConfig.NotebookInstanceLifecycleHookProperty(
                    content=Fn.base64(start_script(notebook.idle_stop_minutes))
                )
            ],
        )
        self.instance = sagemaker.CfnNotebookInstance(
            self,
            "Instance",
            instance_type=notebook.instance_type,
            role_arn=role.role.role_arn,
            platform_identifier=_PLATFORM,
            root_access="Disabled",
            instance_metadata_service_configuration=(
                sagemaker.CfnNotebookInstance.InstanceMetadataServiceConfigurationProperty(
                    minimum_instance_metadata_service_version="2"
                )
            ),
            direct_internet_access="Enabled" if notebook.direct_internet_access else "Disabled",
            subnet_id=notebook.subnet_id,
            security_group_ids=self._security_groups(notebook.vpc_id),
            volume_size_in_gb=notebook.volume_size_gib,
            kms_key_id=None if key is None else key.key_id,
            lifecycle_config_name=configuration.attr_notebook_instance_lifecycle_config_name,
        )
        self.instance.node.add_dependency(role.policy)
        role.allow_stopping(self.instance)
        if notebook.direct_internet_access:
            acknowledge(
                self,
                "SM3",
                reason="notebook.direct_internet_access = true: the stage's file says so",
            )
        if key is None:
            acknowledge(
                self,
                "SM2",
                reason='encryption = "aws": SageMaker encrypts the volume with a key of its own',
            )
        if notebook.subnet_id is None:
            acknowledge(
                self,
                "SM1",
                reason="Without a subnet of its own; the stage's file chooses SageMaker's network",
            )

    def _security_groups(self, vpc_id: str | None) -> list[str] | None:
        if vpc_id is None:
            return None
        group = closed_security_group(
            self,
            "SecurityGroup",
            vpc_id=vpc_id,
            description="Notebook: nothing comes in, HTTPS goes out",
        )
        return [group.attr_group_id]
