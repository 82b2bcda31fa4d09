"""What ends on a day: tokens, and certificates in files and of the server."""

import ssl
from urllib.parse import urlsplit

import anyio
from anyio.streams.tls import TLSAttribute

from agents.health import expiry
from agents.health.surroundings import authorities
from bus.redis.address import Members
from contracts.instants import SECOND

from .finding import OTHER, Finding, finding_of, ok, skip
from .redis import Probe
from .scene import Scene

TOKENS, CERTIFICATES = expiry.TOKENS, expiry.CERTIFICATES
SERVED = "redis.certificate"
_PORT = 6379


def tokens(scene: Scene) -> Finding:
    """Whether tokens of the HTTP interface end soon, and whether others can read who has one."""
    return finding_of(expiry.tokens(scene.data_dir, scene.clock.wall_ns()), OTHER)


def certificates(scene: Scene) -> Finding:
    """Whether the certificates of authorities that the configuration names are there, and valid for a while."""
    return finding_of(expiry.certificates(authorities(scene.settings), scene.clock.wall_ns()))


async def certificate(probe: Probe) -> Finding:
    """When the server's own certificate ends; one that has ended lets nobody in, and `redis` says so."""
    if not probe.url.startswith("rediss"):
        return skip(SERVED, "no TLS on the way to the server")
    host, port = _address(probe.url)
    trusted = probe.scene.settings.redis.tls_ca
    context = ssl.create_default_context(cafile=str(trusted) if trusted else None)
    async with await anyio.connect_tcp(host, port, ssl_context=context, tls_standard_compatible=False) as stream:
        shown = stream.extra(TLSAttribute.peer_certificate)  # noqa: S610 - anyio's, not Django's
    end = ssl.cert_time_to_seconds(str(shown["notAfter"])) * SECOND if shown else 0
    now = probe.scene.clock.wall_ns()
    if end < now + expiry.NOTICE:
        return finding_of(expiry.ended(SERVED, f"the certificate of {host}:{port}", end, now))
    return ok(SERVED, f"the certificate of {host}:{port} is valid for {(end - now) // (86_400 * SECOND)} days")


def _address(url: str) -> tuple[str, int]:
    """Of several servers the first."""
    if "+" in url.partition("://")[0]:
        return Members.of(url, _PORT).addresses[0]
    parts = urlsplit(url)
    return parts.hostname or "localhost", parts.port or _PORT
