"""The buckets to which the deployed functions let callers upload."""

from ministack.services import lambda_svc

_VARIABLE = "UPLOADS_BUCKET"


def find_upload_buckets() -> frozenset[str]:
    """Return the names of the buckets that the environment of a deployed function names."""
    variables = (
        (function["config"].get("Environment") or {}).get("Variables") or {}
        for function in lambda_svc._functions.values()
    )
    return frozenset(each[_VARIABLE] for each in variables if _VARIABLE in each)
