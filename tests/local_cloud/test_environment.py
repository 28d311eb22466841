"""What a client of the local cloud takes from the environment of its caller."""

from local_cloud.environment import without_aws


def test_what_configures_aws_is_left_out_and_nothing_else() -> None:
    given = {
        "AWS_PROFILE": "work",
        "CDK_DEFAULT_ACCOUNT": "1",
        "CDK_VALIDATION": "false",
        "HOME": "/home/me",
        "REQUESTS_CA_BUNDLE": "/ca.pem",
        "SSL_CERT_FILE": "/ca.pem",
    }
    assert without_aws(given) == {"CDK_VALIDATION": "false", "HOME": "/home/me"}
