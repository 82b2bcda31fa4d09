"""URLs of several servers."""

import pytest

from bus.redis.address import Members
from bus.redis.cluster import Cluster, _key_of
from bus.redis.connecting import connect
from bus.redis.sentinel import SentinelServer
from bus.redis.server import Server
from contracts.errors import ConfigError


def test_members_login_and_path() -> None:
    found = Members.of("redis+sentinel://me:s%40crt@one:26379,[::1],two:7/main/2", 26379)
    assert found.addresses == (("one", 26379), ("::1", 26379), ("two", 7))
    assert (found.path, found.tls) == ("main/2", False)
    assert found.login == {"username": "me", "password": "s@crt"}
    assert Members.of("rediss+cluster://one", 7000).tls


@pytest.mark.parametrize(
    "url", ["redis+cluster://", "redis+cluster://a:b", "redis+sentinel://a:1", "redis+cluster://:1"]
)
def test_url_that_names_no_server_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"redis\.url"):
        Members.of(url, 1)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://a:1", Server),
        ("rediss://a:1", Server),
        ("unix:///tmp/x", Server),
        ("redis+sentinel://a:1,b:2/main", SentinelServer),
        ("rediss+sentinel://a:1/main", SentinelServer),
        ("redis+cluster://a:1,b:2", Cluster),
        ("rediss+cluster://a:1", Cluster),
    ],
)
def test_the_scheme_says_what_it_is(url: str, kind: type) -> None:
    assert type(connect(url)) is kind


@pytest.mark.parametrize(
    ("command", "key"),
    [
        (("HGET", "k", "f"), "k"),
        (("XREAD", "COUNT", 5, "STREAMS", "k", "l", "0", "0"), "k"),
        (("XREADGROUP", "GROUP", "g", "STREAMS2", "COUNT", 5, "STREAMS", "k", ">"), "k"),
        (("XGROUP", "CREATE", "k", "g", "0"), "k"),
        (("MEMORY", "USAGE", "k"), "k"),
        (("EVALSHA", "abc", 1, "k", "x"), "k"),
        (("INFO", "memory"), None),
        (("WAITAOF", 1, 0, 5), None),
    ],
)
def test_the_key_of_a_command(command: tuple[str | int, ...], key: str | None) -> None:
    assert _key_of(command) == key
