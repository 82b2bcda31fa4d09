"""Faults of the server that holds the log, planted in a real one, and found by the doctor with cause and mend."""

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from bus import keys
from bus.embedded import EmbeddedServer
from console.options import Choices
from tests.certificates import certified
from tests.chaos.test_clock import Shift
from tests.clusters import free_ports
from tests.integration.faults import assert_told
from tests.integration.test_doctor import CONFIG, Home, look, made, wrong
from tests.servers import REDIS_BINARY, DebianRedis, installed

Planted = AbstractContextManager[None]


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A server with an empty log, for faults that can be taken back."""
    with made(tmp_path_factory.mktemp("doctor")) as home:
        assert wrong(look(home.choices, quick=True)) == {}
        yield home
        assert wrong(look(home.choices, quick=True)) == {}, "every fault was taken back"


@contextmanager
def said(home: Home, name: str, value: str | int) -> Iterator[None]:
    """Another setting of the server."""
    (before,) = home.redis("CONFIG", "GET", name).values()
    home.redis("CONFIG", "SET", name, value)
    try:
        yield
    finally:
        home.redis("CONFIG", "SET", name, before)


@contextmanager
def done(home: Home, command: tuple[str | int, ...], undo: tuple[str | int, ...]) -> Iterator[None]:
    home.redis(*command)
    try:
        yield
    finally:
        home.redis(*undo)


@contextmanager
def written(path: Path, text: str) -> Iterator[None]:
    before = path.read_text()
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)


def filled(share: float) -> Callable[[Home], Planted]:
    """The limit is so near that this share of it is used."""

    def plant(home: Home) -> Planted:
        return said(home, "maxmemory", int(home.redis("INFO", "memory")["used_memory"] / share))

    return plant


IN_PLACE: dict[str, Callable[[Home], Planted]] = {
    "an eviction policy": lambda home: said(home, "maxmemory-policy", "allkeys-lru"),
    "no persistence": lambda home: said(home, "appendonly", "no"),
    "no limit of memory": lambda home: said(home, "maxmemory", 0),
    "memory nearly full": filled(0.77),
    "memory full": filled(0.97),
    "a replica": lambda home: done(home, ("REPLICAOF", "127.0.0.1", 1), ("REPLICAOF", "NO", "ONE")),
    "replicas that are missing": lambda home: written(home.config, CONFIG + "redis: {wait_replicas: 1}\n"),
    "another log": lambda home: written(home.data_dir / "store-id", "0123456789abcdef\n"),
    "an emptied server": lambda home: done(home, ("RENAME", keys.STORE, "aside"), ("RENAME", "aside", keys.STORE)),
    "an emptied partition": lambda home: done(
        home,
        ("HDEL", keys.ledger(1), keys.MARK),
        ("HSET", keys.ledger(1), keys.MARK, (home.data_dir / "store-id").read_text().strip()),
    ),
    "another number of partitions": lambda home: written(home.config, CONFIG.replace("partitions: 2", "partitions: 4")),
    "a missing password": lambda home: done(
        home, ("CONFIG", "SET", "requirepass", "canary-5f3a"), ("ACL", "SETUSER", "default", "nopass")
    ),
    "a user without a password": lambda home: done(
        home, ("ACL", "SETUSER", "guest", "on", "nopass", "~*", "+@all"), ("ACL", "DELUSER", "guest")
    ),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_a_fault_of_the_server_is_found(standing: Home, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with IN_PLACE[name](standing):
        findings = look(standing.choices, quick=True)
        if name == "a missing password":
            # Only whoever knows it can take it back.
            authenticated = partial_redis(standing, "canary-5f3a")
            monkeypatch.setattr(standing, "redis", authenticated)
    assert_told(findings, name, also=["redis.memory"] if name == "memory full" else ())


def partial_redis(home: Home, password: str) -> Callable[..., object]:
    def redis(*command: str | int) -> object:
        import redis as library

        with library.Redis(unix_socket_path=str(home.server.socket), password=password) as client:
            return client.execute_command(*command)

    return redis


def test_a_wrong_password_is_told_from_none(standing: Home) -> None:
    text = CONFIG + "redis: {username: nobody, password: canary-5f3a}\n"
    with written(standing.config, text):
        findings = look(standing.choices, quick=True)
    assert_told(findings, "a wrong password")
    assert "canary" not in str(findings)


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        ("commands that our user may not use", ("~tocsin:*", "+@all", "-xtrim")),
        ("keys that our user may not touch", ("~other:*", "+@all")),
    ],
)
def test_what_our_user_may_not_do_is_found_and_the_mend_mends_it(
    standing: Home, name: str, rules: tuple[str, ...]
) -> None:
    standing.redis("ACL", "SETUSER", "tocsin", "on", ">canary-5f3a", *rules)
    try:
        with written(standing.config, CONFIG + "redis: {username: tocsin, password: canary-5f3a}\n"):
            finding = assert_told(look(standing.choices, quick=True), name, also=["redis.store", "redis.clock"])
            standing.redis(*finding.mend.partition(",")[0].split())
            mended = look(standing.choices, quick=True)
        assert mended["redis.acl"].status == "ok", mended["redis.acl"]
        assert wrong(mended) == {}
    finally:
        standing.redis("ACL", "DELUSER", "tocsin")


# ---------------------------------------------------------------- ways to the server


def test_an_open_server_is_found_however_it_is_reached(standing: Home) -> None:
    (port,) = free_ports(1)
    with said(standing, "port", port):
        there = Choices(standing.config, standing.data_dir, redis=f"redis://127.0.0.1:{port}")
        assert wrong(look(there, quick=True)) == {}, "protected-mode lets nobody in from outside"
        with said(standing, "protected-mode", "no"):
            told = look(there, quick=True)
            assert_told(told, "a server that also listens outside")
            outside = Choices(standing.config, standing.data_dir, redis=f"redis://0.0.0.0:{port}")
            assert_told(look(outside, quick=True), "an open server")
            with said(standing, "bind", "127.0.0.1"):
                assert wrong(look(there, quick=True)) == {}, "the mend mends it"


def test_clients_that_can_fill_the_memory_are_found(standing: Home) -> None:
    there = Choices(standing.config, standing.data_dir, redis=standing.server.url)
    with said(standing, "client-output-buffer-limit", "normal 0 0 0"):
        assert_told(look(there, quick=True), "clients without a limit")
    standing.redis("CONFIG", "SET", "client-output-buffer-limit", "normal 64mb 32mb 30")


def test_a_server_that_is_not_there_is_found(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    findings = look(Choices(data_dir=tmp_path / "d", redis=f"redis://127.0.0.1:{port}"), quick=True)
    assert assert_told(findings, "a server that is not there").exit_code == 69


@contextmanager
def retold(server: Path, there: Path, changes: dict[bytes, bytes]) -> Iterator[None]:
    """A way to the server on which some of its words are others."""

    def pump(source: socket.socket, sink: socket.socket, replaced: dict[bytes, bytes]) -> None:
        with source, sink:
            try:
                while data := source.recv(1 << 16):
                    for old, new in replaced.items():
                        data = data.replace(old, new)
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                return

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            upstream = socket.socket(socket.AF_UNIX)
            upstream.connect(str(server))
            for arguments in ((client, upstream, {}), (upstream.dup(), client.dup(), changes)):
                threading.Thread(target=pump, args=arguments, daemon=True).start()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(there))
        listener.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("a known hole in the server", {b"valkey_version:9.1.2": b"valkey_version:9.1.0"}),
        ("a server that is too old", {b"valkey_version:": b"walkey_version:", b"redis_version:7": b"redis_version:6"}),
    ],
)
def test_the_version_of_a_server_is_looked_at(
    standing: Home, tmp_path: Path, name: str, changes: dict[bytes, bytes]
) -> None:
    said_first = standing.redis("INFO", "server")
    assert (said_first["valkey_version"], said_first["redis_version"]) == ("9.1.2", "7.2.4"), "name the new ones above"
    with retold(standing.server.socket, tmp_path / "s", changes):
        findings = look(Choices(standing.config, standing.data_dir, redis=f"unix://{tmp_path}/s"), quick=True)
    assert_told(findings, name)


def test_a_clock_that_is_ahead_of_ours_is_found(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o700)
    with pytest.MonkeyPatch.context() as patch:
        shift = Shift(tmp_path, patch)
        shift.to(90)
        server = EmbeddedServer(tmp_path / "d" / "redis", maxmemory_mb=64)
        server.start()
    try:
        finding = assert_told(look(Choices(data_dir=tmp_path / "d"), quick=True), "a server whose clock is ahead")
    finally:
        server.stop()
    assert finding.found.startswith("the server is 90.")


# ---------------------------------------------------------------- TLS


@contextmanager
def tls(folder: Path) -> Iterator[int]:
    """Debian's server with the certificate in the folder; its port."""
    (port,) = free_ports(1)
    server = DebianRedis(folder)
    server._options += [
        *("--tls-port", str(port), "--tls-cert-file", "crt.pem", "--tls-key-file", "key.pem"),
        *("--tls-ca-cert-file", "ca.crt", "--tls-auth-clients", "no", "--client-output-buffer-limit"),
        "normal 64mb 32mb 30",
    ]
    server.start()
    try:
        yield port
    finally:
        server.stop()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private authority whose certificates end in two days."""
    if not installed("redis"):
        pytest.skip(f"{REDIS_BINARY} is not installed: the embedded server speaks no TLS")
    folder = tmp_path_factory.mktemp("tls")
    certified(folder)
    return folder


def over_tls(folder: Path, port: int, ca: Path | None) -> Choices:
    config = folder / f"tocsin-{bool(ca)}.yaml"
    config.write_text(CONFIG + (f"redis: {{tls_ca: '{ca}'}}\n" if ca else ""))
    (folder / "d").mkdir(mode=0o700, exist_ok=True)
    return Choices(config, folder / "d", redis=f"rediss://127.0.0.1:{port}")


def test_a_certificate_that_ends_soon_is_found_and_one_that_nobody_knows(certificates: Path) -> None:
    with tls(certificates) as port:
        findings = look(over_tls(certificates, port, certificates / "ca.crt"), quick=True)
        strange = look(over_tls(certificates, port, None), quick=True)
    # The authority's own ends on the same day.
    assert_told(findings, "a server's certificate that ends soon", also=["certificates"])
    assert_told(strange, "an authority that nobody knows")


def test_a_certificate_that_has_ended_is_found(certificates: Path, tmp_path: Path) -> None:
    for name in ("ca.crt", "ca.key", "key.pem", "req.pem", "san"):
        (tmp_path / name).write_bytes((certificates / name).read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        Shift(tmp_path, patch).to(-10 * 86_400)
        sign = (
            "openssl x509 -req -in req.pem -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out crt.pem -extfile san"
        )
        subprocess.run([*sign.split(), "-out", "crt.pem"], cwd=tmp_path, check=True, capture_output=True)
    with tls(tmp_path) as port:
        findings = look(over_tls(tmp_path, port, tmp_path / "ca.crt"), quick=True)
    assert_told(findings, "a server's certificate that has ended", also=["certificates"])
