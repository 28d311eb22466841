"""The REST API and the functions that it invokes."""

from aws_cdk import CfnOutput, Fn
from constructs import Construct

from stacks.components.api.account_logging import ApiAccountLogging
from stacks.components.api.classifier_api import ClassifierApi
from stacks.components.api.counted_classes import counted_classes
from stacks.components.api.firewall import Firewall
from stacks.components.api.health_function import HealthFunction
from stacks.components.api.proxy_function import ProxyFunction
from stacks.components.delivery.check_deployment_role import CheckDeploymentRole
from stacks.components.network.placement import Placement
from stacks.components.shared.encrypted_log_group import encrypted_log_group
from stacks.components.shared.published_values import publish
from stacks.inputs import Inputs
from stacks.serving_stack import ServingStack
from stacks.settings.stage import StageSettings
from stacks.stage_stack import StageStack
from stacks.storage_stack import StorageStack


class ApiStack(StageStack):
    """The REST API, its functions and its firewall.

    Attributes:
        proxy: the function of `POST /predict` and `POST /uploads`, and its alias.
        health: the function of `GET /health`.
        api: the REST API.
        firewall_name: of the web ACL, for other stacks; None: the stage has none.

    Raises:
        SettingsError: the settings name classes that the model does not have, or too much for the
            function's environment variables.
    """

    def __init__(
        self,
        scope: Construct,
        *,
        settings: StageSettings,
        storage: StorageStack,
        serving: ServingStack,
        placement: Placement | None,
        inputs: Inputs,
    ) -> None:
        super().__init__(
            scope,
            settings=settings,
            purpose="api",
            description="Whippet: REST API and Lambda proxy",
        )
        # Explicit, because the proxy uses the endpoint's literal name, not a reference.
        self.add_stack_dependency(serving)
        self.proxy = ProxyFunction(
            self,
            "Proxy",
            settings=settings,
            code_directory=inputs.proxy_directory,
            counted_classes=counted_classes(settings, inputs.model),
            key=storage.key,
            placement=placement,
            uploads=storage.uploads,
        )
        self.health = HealthFunction(
            self,
            "Health",
            settings=settings,
            code_directory=inputs.proxy_directory,
            key=storage.key,
            placement=placement,
        )
        access_logs = encrypted_log_group(
            self,
            "AccessLogs",
            key=storage.key,
            retention_days=settings.api.access_log_retention_days,
        )
        self.api = ClassifierApi(
            self,
            "Api",
            settings=settings,
            proxy=self.proxy.alias,
            health=self.health.function,
            access_logs=access_logs,
            key=storage.key,
        )
        if settings.api.manage_account_logging_role:
            logging = ApiAccountLogging(self, "AccountLogging")
            self.api.api.deployment_stage.node.add_dependency(logging.account)
        self.firewall_name: str | None = None
        if settings.api.firewall_enabled:
            firewall = Firewall(
                self,
                "Firewall",
                stage_arn=self.api.api.deployment_stage.stage_arn,
                requests_per_minute_per_address=(
                    settings.api.firewall_requests_per_minute_per_address
                ),
            )
            # A reference to the name would be resolved before it is taken apart, which cfn-lint
            # does not accept.
            output = CfnOutput(self, "FirewallName", value=firewall.name)
            self.firewall_name = Fn.get_stack_output(self.stack_name, output.logical_id)
        deliverer = inputs.delivery.deliverer_role(settings)
        if deliverer is not None:
            CheckDeploymentRole(
                self,
                "CheckDeployment",
                stage_name=settings.name,
                deliverer=deliverer,
                api_key_arn=self.api.api_key.key_arn,
                proxy_alias_arn=self.proxy.alias.function_arn,
            )
        publish(
            self,
            settings.name,
            api_url=self.api.api.url,
            api_key_id=self.api.api_key.key_id,
            proxy_alias_arn=self.proxy.alias.function_arn,
        )
        CfnOutput(self, "ApiUrl", value=self.api.api.url)
        # The key's identifier, never its value: everyone who may describe the stack sees outputs.
        CfnOutput(self, "ApiKeyId", value=self.api.api_key.key_id)
