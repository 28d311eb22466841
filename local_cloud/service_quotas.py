"""Service Quotas, as far as a deployment reads them: a laptop runs as many instances as it can."""

from collections.abc import Iterator, Mapping
from typing import Any, cast

from botocore.model import StringShape

from local_cloud.sagemaker.moto_backend import Scope
from local_cloud.sagemaker.validation import check_request, service_model
from local_cloud.sagemaker.wire import Response, respond

INSTANCES = 100.0

_SERVICE = "sagemaker"
# The shapes of SageMaker's model that list instance types, and their quotas' names.
_USES = {
    "ProductionVariantInstanceType": "{} for endpoint usage",
    "TrainingInstanceType": "{} for training job usage",
}


class ServiceQuotasService:
    """Lists a quota of 100 for each instance type of SageMaker, and none of other services."""

    def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Carry out one operation.

        Raises:
            AwsError: with Service Quotas' own code.
        """
        check_request("service-quotas", operation, parameters)
        quotas = list(_quotas()) if parameters["ServiceCode"] == _SERVICE else []
        return {"Quotas": quotas}

    def handle(
        self, _scope: Scope, _path: str, headers: Mapping[str, str], body: bytes
    ) -> Response:
        """Return the response to one HTTP request."""
        return respond(self.call, headers, body)


def _quotas() -> Iterator[dict[str, Any]]:
    model = service_model(_SERVICE)
    for shape, name in _USES.items():
        for instance_type in cast("StringShape", model.shape_for(shape)).enum:
            yield {
                "ServiceCode": _SERVICE,
                "QuotaName": name.format(instance_type),
                "Value": INSTANCES,
                "Adjustable": True,
            }
