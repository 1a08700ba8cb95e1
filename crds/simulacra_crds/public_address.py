"""Public IP addresses: those that a webhook may have.

The ranges are IANA's special-purpose registries for IPv4 and IPv6 (RFC 6890, as of 2025).
`ipaddress.is_global` of Python 3.11 to 3.13 passes 192.0.0.8 to 192.0.0.169 and the rest of
192.0.0.0/24, 192.88.99.0/24, fec0::/10 and, before 3.13, 3fff::/20, so it is not asked.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_SPECIAL_V4 = [
    ip_network(one)
    for one in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",
        "100.64.0.0/10",  # behind the NAT of a provider
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host, in every virtual machine there
        "169.254.0.0/16",  # link-local, metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # IETF protocols; Oracle's metadata
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # multicast tunnels
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
]
_GLOBAL_V6 = ip_network("2000::/3")
"""All that IANA has given out as global unicast; the rest of IPv6 has no public host."""
_SPECIAL_V6 = [
    ip_network(one)
    for one in (
        "2001::/23",  # IETF protocols, Teredo among them
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: the IPv4 address inside may be any
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
]
_IPV4_INSIDE = [ip_network("::ffff:0:0/96"), ip_network("64:ff9b::/96")]
"""IPv4-mapped addresses and NAT64: the last 32 bits are the IPv4 address that is called."""


def is_public(address: str) -> bool:
    """Return whether an IP address is of a host on the public internet.

    Raises:
        ValueError: it is no IP address.
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and any(ip in one for one in _IPV4_INSIDE):
        ip = IPv4Address(int(ip) & 0xFFFFFFFF)
    if isinstance(ip, IPv4Address):
        return not any(ip in one for one in _SPECIAL_V4)
    return ip in _GLOBAL_V6 and not any(ip in one for one in _SPECIAL_V6)
