import random
from urllib.parse import urlsplit

import pytest

from classifier_proxy.errors import InvalidUrlError, UrlNotAllowedError
from classifier_proxy.image_url.url import ImageUrl, parse_image_url
from tests.cpu_time import check_cpu_time

ALLOWED = ("images.example.com", "*.example.org")


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("https://images.example.com", "images.example.com", "/"),
        ("https://images.example.com/", "images.example.com", "/"),
        ("https://images.example.com:443/a.jpg", "images.example.com", "/a.jpg"),
        ("hTTps://IMAGES.Example.COM/A.jpg", "images.example.com", "/A.jpg"),
        ("https://images.example.com?a=1&b=/?:@", "images.example.com", "/?a=1&b=/?:@"),
        ("https://images.example.com/%C3%A9.jpg", "images.example.com", "/%C3%A9.jpg"),
        ("https://a.example.org/", "a.example.org", "/"),
        ("https://a.b-c.example.org/", "a.b-c.example.org", "/"),
        ("https://xn--bcher-kva.example.org/", "xn--bcher-kva.example.org", "/"),
    ],
)
def test_a_url_is_parsed(url: str, host: str, target: str) -> None:
    assert parse_image_url(url, ALLOWED) == ImageUrl(host, target)


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "www.images.example.com",
        "images.example.com.evil.example",
        "evil-images.example.com",
        "example.org",
        "evilexample.org",
        "a.example.org.evil.example",
    ],
)
def test_a_host_that_only_looks_like_an_allowed_one_is_refused(host: str) -> None:
    with pytest.raises(UrlNotAllowedError):
        parse_image_url(f"https://{host}/", ALLOWED)


@pytest.mark.parametrize("letter", ["\u017f", "\u212a", "\u0131", "\u0130"])
def test_no_letter_passes_for_its_lower_or_upper_case_in_ascii(letter: str) -> None:
    with pytest.raises(InvalidUrlError):
        parse_image_url(f"https://a{letter}b.example.org/", ALLOWED)


def test_an_address_may_have_2048_characters() -> None:
    url = "https://images.example.com/".ljust(2048, "a")

    assert len(parse_image_url(url, ALLOWED).target) == 2048 - len("https://images.example.com")
    with pytest.raises(InvalidUrlError):
        parse_image_url(url + "a", ALLOWED)


@pytest.mark.parametrize(
    "host", ["a" * 64 + ".example.org", "a." * 125 + "example.org", "-a.example.org"]
)
def test_a_name_that_no_host_can_have_is_refused(host: str) -> None:
    with pytest.raises(InvalidUrlError):
        parse_image_url(f"https://{host}/", ALLOWED)


@pytest.mark.parametrize("part", ["a", "a.", "a-", "%41", "1.", "https://"])
def test_a_long_address_is_refused_at_once(part: str) -> None:
    def work() -> None:
        for url in (
            part * 1_000_000,
            f"https://{part * 400}\\",
            f"https://a.example.org/{part * 400}\\",
        ):
            with pytest.raises(InvalidUrlError):
                parse_image_url(url, ALLOWED)

    check_cpu_time(work, max_seconds=0.5)


def test_another_parser_reads_an_accepted_url_the_same() -> None:
    dice = random.Random(8)  # noqa: S311 - no secret: the same addresses each time
    characters = "a.:/@\\?#%[]-_ \t\n~0x1é。ſK\u200b443"  # noqa: RUF001 - what parsers stumble over
    taken = 0
    for _ in range(20_000):
        url = list("https://a.example.org:443/b?c=d")
        for _ in range(dice.randint(1, 3)):
            place = dice.randrange(len(url))
            url[place : place + dice.randint(0, 2)] = dice.choices(characters, k=dice.randint(0, 2))
        text = "".join(url)
        try:
            image_url = parse_image_url(text, ALLOWED)
        except (InvalidUrlError, UrlNotAllowedError):
            continue
        taken += 1
        parts = urlsplit(text)
        assert (parts.scheme, parts.hostname) == ("https", image_url.host), text
        assert (parts.port or 443, parts.username, parts.fragment) == (443, None, ""), text
        assert parts.query == image_url.target.partition("?")[2], text
    assert taken > 1000
