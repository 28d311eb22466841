"""Ways to write an address so that a check sees another host than the connection does.

`HOST` is allowed. `RESOLVER` is what the names in the list lead to; everything else that a resolver
knows, it knows by itself: 127.1, 0x7f.1, 2130706433 and their like are addresses for libc.
"""

from ipaddress import IPv4Address

HOST = "images.example.com"

# What nobody outside may reach: this machine, the Lambda runtime's own API, instance and container
# metadata, the network around.
PRIVATE_IPV4 = (
    "127.0.0.1",
    "127.0.0.1:9001",
    "169.254.100.1",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "10.0.0.1",
    "192.168.0.1",
)
PRIVATE_IPV6 = (
    "::1",
    "::",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fe80::1",
    "fe80::1%25lo",
    "fec0::1",
    "ff02::1",
)
NOT_PUBLIC = """
    127.0.0.1 127.1.2.3 0.0.0.0 0.1.2.3 10.1.2.3 100.64.0.1 169.254.100.1 169.254.169.254
    169.254.170.2 169.254.170.23 172.16.0.1 172.31.255.255 192.0.0.8 192.0.0.170 192.0.2.1
    192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255
    240.0.0.1 255.255.255.255 :: ::1 ::127.0.0.1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:8.8.8.8
    ::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b::8.8.8.8
    64:ff9b:1::10.0.0.1 100::1 2001::1 2001:0:1:2::1 2001:2::1 2001:20::1 2001:db8::1
    2002:7f00:1::1 2002:a9fe:a9fe::1 2002:808:808::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254
    fd00:ec2::23 fd12:3456::1 fe80::1 fe80::5efe:7f00:1 fec0::1 ff02::1 ff0e::1
""".split()  # noqa: SIM905 - a list would be a line for each
RESOLVER = {
    "localhost": "127.0.0.1",
    "localhost.localdomain": "127.0.0.1",
    "ip6-localhost": "::1",
    "localtest.me": "127.0.0.1",
    "lvh.me": "127.0.0.1",
    "127.0.0.1.nip.io": "127.0.0.1",
    "169-254-169-254.sslip.io": "169.254.169.254",
    "metadata.google.internal": "169.254.169.254",
    "instance-data.ec2.internal": "169.254.169.254",
    "evil.example": "127.0.0.1",
    "images.example.com.evil.example": "10.0.0.1",
    "spoofed.burpcollaborator.net": "127.0.0.1",
}


def bypasses() -> dict[str, list[str]]:
    """Every form, by its kind."""
    return {
        "forms of IPv4": [f"https://{form}/" for form in _ipv4_forms()],
        "IPv6": [f"https://{form}/" for form in _ipv6_forms()],
        "user names": _user_names(),
        "names": [f"https://{name}/latest/meta-data/" for name in RESOLVER],
        "trailing dots": _trailing_dots(),
        "letters": _letters(),
        "blanks and control characters": _blanks(),
        "slashes": _slashes(),
        "schemes": _schemes(),
        "ports": [f"https://{host}:{port}/" for host in (HOST, "127.0.0.1") for port in _PORTS],
    }


_PORTS = ("80", "9001", "8443", "0", "00443", "+443", "-1", "65979", "443443", "443:9001", " 443")


def _ipv4_forms() -> list[str]:
    forms = []
    for text in PRIVATE_IPV4:
        host, colon, port = text.partition(":")
        number = int(IPv4Address(host))
        first, second, third, fourth = IPv4Address(host).packed
        forms += [
            f"{form}{colon}{port}"
            for form in (
                host,
                f"{number}",
                f"0x{number:x}",
                f"0X{number:08X}",
                f"0{number:o}",
                f"0x{first:x}.0x{second:x}.0x{third:x}.0x{fourth:x}",
                f"0{first:o}.0{second:o}.0{third:o}.0{fourth:o}",
                f"00000{first:o}.{second}.{third}.{fourth}",
                f"{first}.{number & 0xFFFFFF}",
                f"{first}.{second}.{number & 0xFFFF}",
                f"0x{first:x}.{second}.0{third:o}.{fourth}",
                f"{number + 2**32}",
                f"{first + 256}.{second}.{third}.{fourth}",
                f"{host}.",
                f"%{ord(host[0]):x}{host[1:]}",
                host.replace(".", "%2e"),
                host.replace(".", "。"),
                host.translate({ord(digit): 0x245F + int(digit) for digit in "123456789"}),
                host.translate({ord(digit): 0xFF10 + int(digit) for digit in "0123456789"}),
            )
        ]
    return forms


def _ipv6_forms() -> list[str]:
    forms = [f"[{address}]" for address in PRIVATE_IPV6]
    forms += ["[0:0:0:0:0:0:0:1]", "[0000::1]", "[::1]:443", "[::1", "::1", "[::1].", "[::1]a"]
    prefixes = ("::ffff:", "::", "::ffff:0:", "64:ff9b::", "64:ff9b:1::")
    for text in PRIVATE_IPV4:
        host = text.partition(":")[0]
        high, low = divmod(int(IPv4Address(host)), 2**16)
        forms += [f"[{prefix}{host}]" for prefix in prefixes]
        forms += [f"[{prefix}{high:x}:{low:x}]" for prefix in prefixes]
        forms.append(f"[2002:{high:x}:{low:x}::1]")  # 6to4
        forms.append(f"[2001:0:1::{high ^ 0xFFFF:x}:{low ^ 0xFFFF:x}]")  # Teredo
        forms.append(f"[fe80::5efe:{high:x}:{low:x}]")  # ISATAP
    return forms


def _user_names() -> list[str]:
    return [
        form.format(allowed=HOST, target=target)
        for target in ("127.0.0.1", "169.254.169.254", "evil.example")
        for form in (
            "https://{allowed}@{target}/",
            "https://{allowed}:443@{target}/",
            "https://{allowed}:password@{target}/",
            "https://{target}@{allowed}/",
            "https://{allowed}%40{target}/",
            "https://{allowed}%00@{target}/",
            "https://{allowed}%2f@{target}/",
            "https://{allowed}#@{target}/",
            "https://{allowed}\\@{target}/",
            "https://{allowed}&@{target}#@{target}/",
            "https://user@{allowed}@{target}/",
            "https://@{target}/",
            "https://:@{target}/",
        )
    ]


def _trailing_dots() -> list[str]:
    hosts = (HOST, "127.0.0.1", "localhost", "evil.example")
    forms = ("{}.", "{}..", ".{}", "{}.:443", "{}%2e", "{}․", "{}。")  # noqa: RUF001 - dots to IDNA
    return [f"https://{form.format(host)}/" for host in hosts for form in forms]


def _letters() -> list[str]:
    """Homographs, and what becomes another letter when it is folded or normalised."""
    return [
        f"https://{host}/"
        for host in (
            "images.еxample.com",  # noqa: RUF001 - Cyrillic ye
            "pіctures.example.com",  # noqa: RUF001 - Cyrillic i
            "ımages.example.com",  # noqa: RUF001 - dotless i
            "İmages.example.com",
            "imageſ.example.com",  # noqa: RUF001 - long s
            "ｐictures.example.com",  # noqa: RUF001 - full width
            "images.example.ⅽom",  # noqa: RUF001 - Roman numeral
            "images.example.com\u200b",
            "pic\u00adtures.example.com",
            "images\u3002example.com",
            "images.example.com\u2044evil.example",
            "images.example.c℀.evil.example",
            "images.example.com／evil.example",  # noqa: RUF001 - full-width slash
            "images.example.com＠evil.example",  # noqa: RUF001 - full-width at
            "images.example.com＃.evil.example",  # noqa: RUF001 - full-width hash
            "xn--pctures-4ve.example.com",
            "xn--evil-.example",
            "xn--127-0-0-1.evil.example",
            "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
            "ｌｏｃａｌｈｏｓｔ",  # noqa: RUF001 - full width
            "loca\u212ahost.example.com",
            "LOCALHOST",
            "LocalHost",
            "EVIL.example",
            "EviL.Example",
        )
    ]


def _blanks() -> list[str]:
    characters = "\t\n\r\0\v\f \x1f\x7f\x85\u00a0\u2028\u3000\ufeff"
    return [
        form.format(character)
        for character in characters
        for form in (
            f"{{}}https://{HOST}/",
            f"https://{HOST}/{{}}",
            f"https://{{}}{HOST}/",
            f"https://{HOST}{{}}.evil.example/",
            "https://127.0.0.1{}/",
            f"https://{HOST}/ HTTP/1.1{{}}Host: 127.0.0.1",
        )
    ]


def _slashes() -> list[str]:
    forms = (
        "https:{}",
        "https:/{}/",
        "https:///{}/",
        "https:////{}/",
        "https:\\\\{}\\",
        "https:\\/{}/",
        "https:/\\{}/",
        "//{}/",
        "\\\\{}\\",
        "{}/",
        "{}",
        f"https://{HOST}\\{{}}/",
        f"https://{HOST}\\.{{}}/",
        f"https://{HOST};{{}}/",
        f"https://{HOST},{{}}/",
        f"https://{HOST}%23{{}}/",
        f"https://{HOST}%5c{{}}/",
        f"https://{HOST}#.{{}}/",
        f"https://{HOST}[{{}}]/",
    )
    return [form.format(host) for host in ("127.0.0.1", "evil.example") for form in forms]


def _schemes() -> list[str]:
    hosts = (HOST, "127.0.0.1:9001")
    schemes = ("http", "ftp", "file", "gopher", "dict", "ldap", "ws", "wss", "data", "jar", "ssh")
    forms = [f"{scheme}://{host}/" for scheme in schemes for host in hosts]
    return [*forms, "", "https", "https://", "https:///", "about:blank", "/etc/hosts"]
