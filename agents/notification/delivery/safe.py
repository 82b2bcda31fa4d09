"""Addresses that may be connected to: a subscriber's URL must not reach into our own network.

A name is resolved once, every address that it has is checked, and the connection goes to one of exactly those. What a
name resolves to later plays no part, and a redirect is not followed (OWASP, Server-Side Request Forgery Prevention).
"""

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

import anyio

from contracts.errors import Refused, Unavailable

Address = IPv4Address | IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: Host and port -> addresses as texts; raises OSError.
Resolve = Callable[[str, int], Awaitable[list[str]]]

#: What is assigned for use on the internet at all (RFC 4291); `ipaddress` takes other ranges for global, too.
_UNICAST = ipaddress.ip_network("2000::/3")
#: Addresses that hold another one, or that versions of Python differ about. NAT64 and IPv4-mapped are outside of
#: 2000::/3 already.
_NOBODYS = (
    ipaddress.ip_network("2001::/23"),  # IETF protocols (RFC 2928), Teredo among them (RFC 4380)
    ipaddress.ip_network("2002::/16"),  # 6to4 (RFC 3056)
    ipaddress.ip_network("3fff::/20"),  # documentation (RFC 9637)
    ipaddress.ip_network("192.0.0.0/24"),  # IETF protocols (RFC 6890)
    ipaddress.ip_network("192.88.99.0/24"),  # 6to4 relays (RFC 7526)
)
_MOST_ADDRESSES = 64


async def system(host: str, port: int) -> list[str]:
    """What the machine's resolver says."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def is_public(address: Address) -> bool:
    """Whether an address is somebody's on the internet, and not one that hides another in itself."""
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return not any(address in network for network in _NOBODYS)


@dataclass(frozen=True)
class Guard:
    """Checks where connections may go.

    allowed   networks that are not public and may be connected to all the same
    resolve   how names become addresses
    """

    allowed: tuple[Network, ...] = ()
    resolve: Resolve = system

    @classmethod
    def of(cls, networks: Sequence[str], resolve: Resolve = system) -> "Guard":
        """Raises ValueError for what is no network."""
        return cls(tuple(ipaddress.ip_network(network) for network in networks), resolve)

    async def addresses(self, host: str, port: int) -> list[str]:
        """Addresses of a host, each checked, in the order of the resolver.

        Raises Unavailable when it has none now, Refused when any of them must not be connected to.
        """
        try:
            found = (await self.resolve(host, port))[:_MOST_ADDRESSES]
        except (OSError, UnicodeError):
            raise Unavailable("the receiver's name cannot be resolved") from None
        if not found:
            raise Unavailable("the receiver's name has no address")
        for text in found:
            self.check(text)
        return found

    def check(self, text: str) -> None:
        """Raises Refused for an address that must not be connected to."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise Refused("the receiver's name resolves to something that is no address") from None
        if is_public(address) or any(address in network for network in self.allowed):
            return
        raise Refused(
            f"the receiver's address {address} is not public",
            mend="If it is meant to be reached, name its network in allow_private.",
        )
