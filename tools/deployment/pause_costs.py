"""What a paused stage stops, and what goes on costing."""

from collections.abc import Iterator

from stacks.settings.stage import StageSettings


def describe_costs(settings: StageSettings, endpoint: str) -> Iterator[str]:
    """Yield the lines of `make pause` about what is stopped and what is not.

    Args:
        settings: of the stage; what is deployed may differ from them.
        endpoint: the name of the deployed endpoint.
    """
    serving, api = settings.serving, settings.api
    machines = f" (instances of {serving.instance_type})"
    if endpoint != settings.endpoint_name:
        machines = ""  # of another mode than the settings
    elif serving.is_serverless:
        machines = " (serverless containers)"
    scaling = " and its scaling" if machines and serving.scales else ""
    yield f"  Stopped:     the endpoint {endpoint}{machines}{scaling}; its alarms do not notify"
    key = "the key, " if settings.encryption == "kms" else ""
    yield f"  Still costs: stored models and images, logs, {key}alarms, each request to the API"
    if api.provisioned_concurrency or api.provisioned_concurrency_schedule:
        yield "               the proxy's provisioned concurrency (api.provisioned_concurrency)"
    if api.firewall_enabled:
        yield "               the firewall of the API (api.firewall_enabled)"
    if settings.network.vpc == "own" and settings.network.places("functions"):
        yield "               the interface endpoints of the network (network.vpc)"
    if settings.notebook.enabled:
        yield "               the notebook instance while it runs (make destroy removes it)"
    if settings.delivery == "pipeline":
        yield (
            "  Note: the next run of the pipeline resumes the stage, because CodePipeline deploys "
            "every parameter with its default"
        )
    yield f"  Resume:      make resume STAGE={settings.stage}"
