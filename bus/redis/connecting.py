"""From a URL to what answers there."""

from typing import Any

from contracts.settings import RedisSettings

from .cluster import Cluster
from .sentinel import SentinelServer
from .server import Server, Servers


def connect(url: str, settings: RedisSettings | None = None, *, timeout_s: float | None = None) -> Servers:
    """One server, one behind sentinels or a cluster, as the URL's scheme says; nothing is sent yet.

    ``settings`` give user, password, authority and patience. Raises ConfigError for a URL that names no server.
    """
    said = settings or RedisSettings()
    scheme = url.partition("://")[0]
    common: dict[str, Any] = {
        "username": said.username,
        "password": said.password.get_secret_value() if said.password else None,
        "timeout_s": timeout_s or said.timeout_s,
        "tls_ca": said.tls_ca,
        "replicas": said.wait_replicas,
    }
    if scheme.endswith("+cluster"):
        return Cluster(url, **common)
    if scheme.endswith("+sentinel"):
        secret = said.sentinel_password.get_secret_value() if said.sentinel_password else None
        return SentinelServer(url, sentinel_password=secret, **common)
    return Server(url, **common)
