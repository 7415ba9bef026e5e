"""Which outside addresses we may talk to: public ones, and what the operator listed.

Checked twice: the URL's text when it is registered and before each call, and the address a name resolves to
at each connection, which then goes to exactly that address (so a name that changes its mind gains nothing).
"""

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from kiungo.base.errors import Incorrect, define

EGRESS_REFUSED = define(
    "EGRESS_REFUSED", Incorrect, "An outbound URL is not allowed: its scheme, host, port or address is refused."
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Sequence[str]]
"""A host and port to its addresses as text; raises OSError when there are none. May block."""

URL_CHARACTERS_MAX = 2_000
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = ipaddress.IPv6Network("::/96")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.?)+\Z", re.ASCII)
_NUMBER_LIKE = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+))*\.?\Z", re.ASCII)
_SPACE_OR_CONTROL = re.compile(r"[\x00-\x20\x7f\\]")


def system_resolver(host: str, port: int) -> Sequence[str]:
    """The machine's own resolver, answers in its order of preference."""
    answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """What may be reached. The default is production's: https to public addresses only.

    `allow_loopback` (dev, demo) adds this machine itself, also over plain http, and nothing else private.
    `allowed` lists what the operator trusts beyond that: host names ("erp.hospital.local") and networks
    ("10.20.0.0/16"); these may be private and may use plain http.
    """

    allow_loopback: bool = False
    allowed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for entry in self.allowed:
            if _network(entry) is None and not _HOST_NAME.match(entry.lower()):
                raise Incorrect(
                    EGRESS_REFUSED,
                    f"{entry!r} in the list of allowed outbound hosts is neither a host name nor a network",
                    field="KIUNGO_OUTBOUND_ALLOWED",
                    hint="Write names such as erp.hospital.local and networks such as 10.20.0.0/16",
                )

    def check_url(self, url: str, *, field: str = "url") -> SplitResult:
        """Refuse a URL by its text alone; a literal address in it is checked too.

        Raises: Incorrect EGRESS_REFUSED, saying what to change.
        """
        parts = self._split(url, field)
        host = parts.hostname or ""
        listed = self._is_listed_name(host)
        address = _literal(host)
        if address is None and not listed:
            if _NUMBER_LIKE.match(host):
                raise _refused(field, "its host is a number that is not a plain dotted address")
            if not _HOST_NAME.match(host):
                raise _refused(field, "its host is not a host name")
        if address is not None and not self.allows(address):
            raise _refused(field, f"its address {address} is not public")
        if parts.scheme == "http" and not listed and not self._plain_http_is_fine(host, address):
            raise _refused(field, "it is not https")
        return parts

    def check_addresses(self, host: str, addresses: Sequence[str], *, field: str = "url") -> Sequence[str]:
        """The addresses to connect to, in order; all are refused when even one of them is not allowed.

        Raises: Incorrect EGRESS_REFUSED.
        """
        if not addresses:
            raise _refused(field, f"the name {host} has no address")
        if self._is_listed_name(host):
            return addresses
        for text in addresses:
            address = _literal(text)
            if address is None or not self.allows(address):
                raise _refused(field, f"the name {host} leads to an address that is not public")
        return addresses

    def allows(self, address: Address) -> bool:
        """Whether one address may be reached; addresses that carry an IPv4 address count as that one."""
        inner = _inner(address)
        if any(inner in network for entry in self.allowed if (network := _network(entry)) is not None):
            return True
        if inner.is_loopback:
            return self.allow_loopback
        site_local = isinstance(inner, ipaddress.IPv6Address) and inner.is_site_local
        return inner.is_global and not (inner.is_multicast or inner.is_reserved or site_local)

    def _split(self, url: str, field: str) -> SplitResult:
        if len(url) > URL_CHARACTERS_MAX or _SPACE_OR_CONTROL.search(url):
            raise _refused(field, "it is too long, or holds a space, backslash or control character")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise _refused(field, "it is not a URL") from None
        if parts.scheme not in ("https", "http"):
            raise _refused(field, "its scheme is not https")
        if not parts.hostname:
            raise _refused(field, "it has no host")
        if "@" in parts.netloc:
            raise _refused(field, "it carries a user name or password")
        if parts.fragment:
            raise _refused(field, "it has a fragment (#...)")
        if port == 0:
            raise _refused(field, "its port is 0")
        return parts

    def _is_listed_name(self, host: str) -> bool:
        return host.rstrip(".").lower() in {entry.lower() for entry in self.allowed}

    def _plain_http_is_fine(self, host: str, address: Address | None) -> bool:
        """Plain http stays on this machine (dev) or in a listed network."""
        if address is None:
            return self.allow_loopback and (host == "localhost" or host.endswith(".localhost"))
        inner = _inner(address)
        return inner.is_loopback or not inner.is_global


def _inner(address: Address) -> Address:
    """The IPv4 address an IPv6 form leads to: mapped, compatible, NAT64, 6to4; otherwise the address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    carried = address.ipv4_mapped or address.sixtofour
    if carried is None and (address in _NAT64 or (address in _IPV4_COMPATIBLE and int(address) > 1)):
        carried = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return carried if carried is not None else address


def _literal(host: str) -> Address | None:
    """An address written as such; a scope id (fe80::1%eth0) makes it none, and so refused later."""
    try:
        return None if "%" in host else ipaddress.ip_address(host)
    except ValueError:
        return None


def _network(entry: str) -> Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


def _refused(field: str, why: str) -> Incorrect:
    return Incorrect(
        EGRESS_REFUSED,
        f"This URL is not allowed: {why}",
        field=field,
        hint="Use https with a public host name; an operator can list other hosts in KIUNGO_OUTBOUND_ALLOWED",
    )
