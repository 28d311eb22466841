"""The role of a notebook instance."""

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from stacks.components.shared import permissions
from stacks.components.shared.acknowledgement import acknowledge_resource
from stacks.components.storage.buckets import Buckets
from stacks.settings.stage import StageSettings


class NotebookRole(Construct):
    """Reads datasets, starts training, reads what it made, and invokes the endpoint.

    Attributes:
        role: the role.
        policy: its permissions, which the notebook needs when it starts.
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
        self.role = iam.Role(
            self,
            "Role",
            description="Notebook instance",
            assumed_by=permissions.service_of_this_account("sagemaker.amazonaws.com", self),
            managed_policies=[buckets.read_datasets],
        )
        self.policy = iam.Policy(self, "Policy", roles=[self.role])
        name, machine = settings.name, state_machine.state_machine_arn
        executions = self._arn("states", "execution", f"{state_machine.state_machine_name}:*")
        group = self._arn("sagemaker", "model-package-group", name)
        packages = self._arn("sagemaker", "model-package", f"{name}/*")
        log_streams = self._arn("logs", "log-group", "/aws/sagemaker/NotebookInstances:*")
        job_logs = self._arn("logs", "log-group", "/aws/sagemaker/TrainingJobs:*")
        stacks = [
            self._arn("cloudformation", "stack", f"{name}-{purpose}/*")
            for purpose in ("training", "storage")
        ]
        wide = {
            executions: "The executions of one state machine",
            packages: "Any version of the one model package group",
            log_streams: "The log streams of notebooks; SageMaker names them",
            job_logs: "The log streams of training jobs; SageMaker names them",
            **dict.fromkeys(stacks, "One stack; AWS adds an identifier to its name"),
        }
        jobs = self._arn("sagemaker", "training-job", f"{name}-*")
        wide[jobs] = "The training jobs of one stage, which its name begins"
        reading = ["sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages"]
        for actions, resources in (
            (["states:StartExecution"], [machine]),
            (["states:DescribeExecution", "states:GetExecutionHistory"], [executions]),
            (["sagemaker:DescribeTrainingJob"], [jobs]),
            (reading, [group, packages]),
            (["sagemaker:InvokeEndpoint"], [self._arn("sagemaker", "endpoint", name)]),
            (["cloudformation:DescribeStacks"], stacks),
            (["logs:GetLogEvents", "logs:DescribeLogStreams"], [job_logs]),
            (["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], [log_streams]),
        ):
            self.policy.add_statements(iam.PolicyStatement(actions=actions, resources=resources))
        self.policy.add_statements(*permissions.encrypt_volumes(key))
        for arn, reason in wide.items():
            acknowledge_resource(self.policy, arn, reason=reason)

    def allow_stopping(self, instance: sagemaker.CfnNotebookInstance) -> None:
        """Allow the notebook to stop itself.

        In a policy of its own: the notebook waits for the others, and its name is made with it.
        """
        iam.Policy(
            self,
            "StopPolicy",
            roles=[self.role],
            statements=[
                iam.PolicyStatement(
                    actions=["sagemaker:StopNotebookInstance"],
                    # The name that CloudFormation makes has capitals; SageMaker writes names into
                    # ARNs in lower case, as in the instance's own ARN.
                    resources=[
                        instance.ref,
                        self._arn(
                            "sagemaker", "notebook-instance", instance.attr_notebook_instance_name
                        ),
                    ],
                )
            ],
        )

    def _arn(self, service: str, resource: str, name: str) -> str:
        colon = service in {"logs", "states"}
        return Stack.of(self).format_arn(
            service=service,
            resource=resource,
            resource_name=name,
            arn_format=ArnFormat.COLON_RESOURCE_NAME if colon else ArnFormat.SLASH_RESOURCE_NAME,
        )
