from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

# Not public, although `is_global` is true for them in some Python versions since 3.11.2. From
# IANA's special-purpose registries, as of 2026.
_NOT_PUBLIC_IPV4 = tuple(
    IPv4Network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # relays of 6to4
        "224.0.0.0/4",  # multicast
    )
)
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NOT_PUBLIC_IPV6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments; Teredo, which holds an IPv4 address
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which holds an IPv4 address
        "3fff::/20",  # documentation
    )
)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Return whether an address is on the public internet, not on a private or local network.

    For IPv6, only global unicast is public: that excludes loopback, link-local, site-local, unique
    local and multicast addresses, and those that contain an IPv4 address (mapped, compatible,
    NAT64).
    """
    if not address.is_global:
        return False
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_IPV4)
    return address in _GLOBAL_UNICAST and not any(
        address in network for network in _NOT_PUBLIC_IPV6
    )
