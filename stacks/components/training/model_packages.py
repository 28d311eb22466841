"""Who may do what with the model packages of a stage."""

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct, IConstruct

from stacks.components.shared.acknowledgement import acknowledge_resource

_STATUS = "sagemaker:ModelApprovalStatus"
_PENDING = "PendingManualApproval"
_DECISIONS = ["Approved", "Rejected"]
_READING = ["sagemaker:DescribeModelPackage", "sagemaker:ListModelPackages"]


class ModelPackages(Construct):
    """The statements of policies for one model package group.

    What registers a model can only let it wait; what approves one is a policy of its own.

    Attributes:
        approver_policy: a managed policy for those who approve and reject models. No role has it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        group_name: str,
        image_repository_arn: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self._image_repository = image_repository_arn
        stack = Stack.of(self)
        self._group = stack.format_arn(
            service="sagemaker", resource="model-package-group", resource_name=group_name
        )
        self._versions = stack.format_arn(
            service="sagemaker", resource="model-package", resource_name=f"{group_name}/*"
        )
        self.approver_policy = iam.ManagedPolicy(
            self,
            "ApproverPolicy",
            description=f"Approves and rejects the models of {group_name}",
            statements=[
                self._statement(["sagemaker:UpdateModelPackage"], statuses=_DECISIONS),
                self._statement(_READING),
            ],
        )
        self.acknowledge(self.approver_policy)

    def registering(self) -> list[iam.PolicyStatement]:
        """Allow reading packages, and creating some that wait for approval."""
        return [
            self._statement(["sagemaker:CreateModelPackage"], statuses=[_PENDING]),
            self._statement(_READING),
            # SageMaker may look up the image of a package as its creator.
            iam.PolicyStatement(
                actions=["ecr:BatchGetImage", "ecr:DescribeImages"],
                resources=[self._image_repository],
            ),
        ]

    def acknowledge(self, construct: IConstruct) -> None:
        """Acknowledge the wildcard of a policy with these statements."""
        acknowledge_resource(
            construct, self._versions, reason="Any version of the one model package group"
        )

    def _statement(
        self, actions: list[str], *, statuses: list[str] | None = None
    ) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            actions=actions,
            resources=[self._group, self._versions],
            conditions={"StringEquals": {_STATUS: statuses}} if statuses else None,
        )
