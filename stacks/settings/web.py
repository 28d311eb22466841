"""The settings of the page."""

from dataclasses import dataclass

from stacks.errors import SettingsError
from stacks.settings.reader import choice, flag, optional_text


@dataclass(frozen=True, kw_only=True)
class WebSettings:
    """The page and the distribution before it.

    Without `domain_name` and `certificate_arn` the page has an address of CloudFront's own.
    """

    enabled: bool = flag()
    price_class: str = choice("100", "200", "all")
    domain_name: str | None = optional_text(
        r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}", "a host name such as pictures.example.com"
    )
    # CloudFront takes certificates of this one region only, wherever the stage is.
    certificate_arn: str | None = optional_text(
        r"arn:aws:acm:us-east-1:\d{12}:certificate/[0-9a-f-]+",
        "the ARN of a certificate of Certificate Manager in us-east-1",
    )


def check_web(web: WebSettings, *, file: str) -> None:
    """Check what one setting alone cannot show.

    Raises:
        SettingsError: a domain without its certificate, or the other way round.
    """
    if (web.domain_name is None) != (web.certificate_arn is None):
        raise SettingsError(
            f"{file}: web.domain_name and web.certificate_arn: expected both or neither"
        )
