"""URLs that name several servers: ``redis+cluster://user:password@host:port,host:port/path``."""

from dataclasses import dataclass
from urllib.parse import unquote

from contracts.errors import ConfigError


@dataclass(frozen=True)
class Members:
    """The servers that a URL names."""

    addresses: tuple[tuple[str, int], ...]
    path: str
    login: dict[str, str]
    tls: bool

    @classmethod
    def of(cls, url: str, port: int) -> "Members":
        """Take a URL apart; ``port`` is for members without one.

        Raises ConfigError when it cannot be.
        """
        scheme, _, rest = url.partition("://")
        where, _, path = rest.partition("/")
        user, _, hosts = where.rpartition("@")
        name, _, password = user.partition(":")
        login = {"username": unquote(name), "password": unquote(password)}
        addresses = tuple(_address(text, port) for text in hosts.split(",") if text)
        if not addresses:
            raise ConfigError(["redis.url names no server"])
        if scheme.endswith("+sentinel") and not path:
            raise ConfigError(["redis.url names no primary: redis+sentinel://host:26379,host:26379/NAME"])
        given = {key: value for key, value in login.items() if value}
        return cls(addresses, path, given, scheme.startswith("rediss"))


def _address(text: str, port: int) -> tuple[str, int]:
    host, colon, number = text.rpartition(":")
    if not colon or number.endswith("]"):
        host, number = text, str(port)
    if not number.isdecimal() or not host:
        raise ConfigError([f"redis.url: {text!r} is not host:port"])
    return host.strip("[]"), int(number)
