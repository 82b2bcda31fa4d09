"""Faults of the machine, of files and of processes, planted for real, and found by the doctor with cause and mend."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agents.telemetry import read_reports
from bus.embedded import _binary
from console.access.tokens import tokens_of
from console.checks.finding import Finding
from console.checks.scene import Limits
from console.options import Choices
from tests.certificates import certified
from tests.chaos.test_clock import Shift
from tests.integration.faults import FAULTS, assert_told
from tests.integration.test_doctor import CONFIG, HEALTHY, Home, answering, left_behind, look, wait_for, wrong
from tests.integration.test_doctor import home as home  # the fixture

ROOT = Path(__file__).parents[2]
DAY_NS = 86_400 * 10**9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data directory without a server; what is asked of it is quick."""
    (tmp_path / "d").mkdir(mode=0o700)
    return tmp_path


def examined(folder: Path, config: str = CONFIG, limits: Limits = HEALTHY) -> dict[str, Finding]:
    (folder / "tocsin.yaml").write_text(config)
    return look(Choices(folder / "tocsin.yaml", folder / "d"), limits, quick=True)


# ---------------------------------------------------------------- files


def test_a_data_directory_of_ours_alone_is_no_finding(folder: Path) -> None:
    assert wrong(examined(folder)) == {}


@pytest.mark.parametrize(
    ("name", "mode"), [("a data directory that all can change", 0o777), ("a data directory that all can read", 0o755)]
)
def test_an_open_data_directory_is_found(folder: Path, name: str, mode: int) -> None:
    (folder / "d").chmod(mode)
    assert_told(examined(folder), name)


def test_a_key_that_others_can_read_is_found(folder: Path) -> None:
    key = folder / "signing.key"
    key.write_text("secret")
    key.chmod(0o600)
    config = f"{CONFIG}models: {{signing_key: '{key}'}}\n"
    assert wrong(examined(folder, config)) == {}
    key.chmod(0o644)
    assert_told(examined(folder, config), "a key that others can read")


def test_files_of_another_user_are_found(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    (folder / "d" / "redis").mkdir()
    os.chown(folder / "d" / "redis", 65_534, 65_534)
    assert_told(examined(folder), "files of another user")


def test_a_file_in_place_of_the_data_directory_is_found(folder: Path) -> None:
    (folder / "d").rmdir()
    (folder / "d").write_text("")
    assert_told(examined(folder), "a file in place of the data directory")


def test_every_problem_of_the_configuration_is_told_at_once(folder: Path) -> None:
    (folder / "tocsin.yaml").write_text("bus:\n  lease_s: -1\nagents:\n  validation:\n    nonsense: 1\n")
    findings = look(Choices(folder / "tocsin.yaml", folder / "d"))
    assert assert_told(findings, "a wrong configuration").exit_code == 78


# ---------------------------------------------------------------- disk and clock


@contextmanager
def small_disk(at: Path, options: str) -> Iterator[None]:
    """A file system of its own; for root alone, and not in every container."""
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", at], check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", at], check=True)


def test_a_full_disk_is_found(folder: Path) -> None:
    with small_disk(folder / "d", "size=1m,mode=700"):
        (folder / "d" / "filler").write_bytes(bytes(1 << 20))
        assert_told(examined(folder, limits=Limits(free_bytes=4096, free_share=0.05)), "a full disk", also=["data-dir"])


def test_a_disk_without_files_left_is_found(folder: Path) -> None:
    with small_disk(folder / "d", "size=1m,mode=700,nr_inodes=9"):
        found = examined(folder, limits=Limits(free_bytes=1, free_share=0.0))
    assert_told(found, "a disk without files left")


def test_a_clock_that_cannot_be_true_is_found(folder: Path) -> None:
    command = [sys.executable, "-m", "console.cli", "doctor", "--quick", "--json", "--data-dir", str(folder / "d")]
    with pytest.MonkeyPatch.context() as patch:
        Shift(folder, patch).to(-time.time() + 86_400)
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    row = next(row for row in json.loads(done.stdout) if row["check"] == "clock")
    fault = FAULTS["a wrong clock"]
    assert (done.returncode, row["status"]) == (1, fault.status)
    assert (fault.found in row["found"], fault.cause in row["cause"], fault.mend in row["mend"]) == (True,) * 3


# ---------------------------------------------------------------- what ends on a day


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an authority that ends in two days."""
    folder = tmp_path_factory.mktemp("authority")
    certified(folder)
    return folder / "ca.crt"


def trusting(path: Path) -> str:
    return f"{CONFIG}redis: {{tls_ca: '{path}'}}\n"


def test_a_file_of_an_authority_that_cannot_be_used_is_found(folder: Path) -> None:
    path = folder / "ca.crt"
    assert_told(examined(folder, trusting(path)), "a file of an authority that is gone")
    path.write_text("no certificate\n")
    assert_told(examined(folder, trusting(path)), "a file of an authority that is none")


def test_an_authority_that_ends_is_found(folder: Path, authority: Path) -> None:
    assert_told(examined(folder, trusting(authority)), "an authority that ends soon")
    command = (
        "req -x509 -newkey rsa:2048 -nodes -keyout k -out old.crt -days 2 -subj /CN=a -addext basicConstraints=CA:true"
    )
    with pytest.MonkeyPatch.context() as patch:
        Shift(folder, patch).to(-10 * 86_400)
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    assert_told(examined(folder, trusting(folder / "old.crt")), "an authority that has ended")


def test_the_certificate_of_a_subscriber_is_looked_at_too(folder: Path, authority: Path) -> None:
    shutil.copy(authority, folder / "d" / "mail.crt")
    ann: dict[str, Any] = {"kind": "webhook", "url": "https://ann.example/hook", "tls_ca": "mail.crt"}
    config = json.dumps(
        {
            "agents": {"acquisition": {"sources": {"push": {"kind": "http"}}}, "validation": {}, "notification": {}},
            "alerting": {"route": {"receiver": "ann"}, "subscribers": {"ann": ann}},
        }
    )
    assert_told(examined(folder, config), "an authority that ends soon")


def token(folder: Path, days: float) -> Path:
    """A token that is called old and lives so long, counted from forty days ago; another that does not end."""
    tokens = tokens_of(folder / "d")
    tokens.create("for-ever", "viewer")
    tokens.create("old", "viewer", int(1e15))
    path = folder / "d" / "tokens.json"
    data = json.loads(path.read_bytes())
    made = time.time_ns() - 40 * DAY_NS
    data["tokens"][1].update(made=made, expires=made + int(days * DAY_NS))
    path.write_text(json.dumps(data))
    return path


def test_tokens_that_do_not_end_soon_are_no_finding(folder: Path) -> None:
    token(folder, 90)
    findings = examined(folder)
    assert wrong(findings) == {}
    assert findings["tokens"].found == "2 tokens, none of which ends soon"


@pytest.mark.parametrize(("name", "days"), [("a token that has ended", 39), ("a token that ends soon", 53)])
def test_a_token_that_ends_is_found_until_it_is_revoked(folder: Path, name: str, days: float) -> None:
    token(folder, days)
    assert_told(examined(folder), name)
    tokens_of(folder / "d").revoke("old")
    assert wrong(examined(folder)) == {}


def test_tokens_that_others_can_read_or_that_are_damaged_are_found(folder: Path) -> None:
    path = token(folder, 90)
    path.chmod(0o644)
    assert_told(examined(folder), "tokens that all can read")
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-40])
    assert_told(examined(folder), "damaged tokens")


# ---------------------------------------------------------------- processes that were left behind


@contextmanager
def stray(command: list[str], ready: Callable[[], Any]) -> Iterator[int]:
    """A process whose parent is gone."""
    pid = left_behind(command)
    try:
        wait_for(ready)
        yield pid
    finally:
        os.kill(pid, 9)


def serving(home: Home, socket: Path) -> list[str]:
    return [_binary(), *home.server._options, "--unixsocket", str(socket)]


def test_a_server_that_was_left_behind_is_found(home: Home) -> None:
    home.server.stop()
    with stray(serving(home, home.server.socket), lambda: home.redis("PING")) as pid:
        finding = assert_told(look(home.choices, quick=True), "a server that was left behind")
    assert f"kill {pid} " in finding.mend


def test_two_servers_on_one_folder_are_found(home: Home, tmp_path: Path) -> None:
    def answers() -> None:
        if not (tmp_path / "s").exists():
            raise FileNotFoundError

    with stray(serving(home, tmp_path / "s"), answers) as pid:
        finding = assert_told(look(home.choices, quick=True), "two servers on one folder")
    assert str(pid) in finding.mend
    assert str(home.server.pid) in finding.mend


def test_agents_that_were_left_behind_are_found(home: Home) -> None:
    command = [sys.executable, "-m", "console.cli", "up", "validation", "--owner", "host/0/pipeline"]
    command += ["--config", str(home.config), "--data-dir", str(home.data_dir), "--redis", home.server.url]
    assert wrong(look(home.choices, quick=True)) == {}
    with stray(command, lambda: None) as pid:
        finding = assert_told(look(home.choices, quick=True), "agents that were left behind")
    assert f"kill {pid} " in finding.mend


@pytest.mark.parametrize(
    "arguments", [("train", "pumps", "--request-id", "x"), ("replay", "--diff", "--progress", "json")]
)
def test_a_training_and_a_replay_that_were_left_behind_are_found(home: Home, arguments: tuple[str, ...]) -> None:
    """By their command lines; what sleeps here looks the same from outside."""
    command = [sys.executable, "-c", "import time; time.sleep(60)", "console.cli", *arguments]
    with stray([*command, "--data-dir", str(home.data_dir)], lambda: None) as pid:
        finding = assert_told(look(home.choices, quick=True), "agents that were left behind")
    assert f"kill {pid} " in finding.mend


# ---------------------------------------------------------------- what runs


def test_a_process_with_other_code_is_found(home: Home, tmp_path: Path) -> None:
    """It runs from a copy of the tree in which one line is another."""
    for package in ("contracts", "bus", "models", "agents", "console", "config"):
        shutil.copytree(ROOT / package, tmp_path / "copy" / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "copy" / "agents" / "clock.py").open("a") as file:
        file.write("\n# Changed.\n")
    command = [sys.executable, "-m", "console.cli", "up", "validation", "--config", str(home.config)]
    command += ["--data-dir", str(home.data_dir), "--redis", home.server.url]
    with subprocess.Popen(command, cwd=tmp_path / "copy", stderr=subprocess.DEVNULL) as process:
        try:
            while not read_reports(home.data_dir, 0.0):
                assert process.poll() is None
                time.sleep(0.05)
            findings = look(Choices(home.config, home.data_dir, redis=home.server.url))
        finally:
            process.terminate()
    assert_told(findings, "code that was changed", also=["redis.buffers"])


def test_an_interface_that_answers_strangers_is_found(folder: Path) -> None:
    """Configured is a token, and what answers there wants none."""
    with answering(200, "[]") as (url, asked):
        port = url.rpartition(":")[2]
        (folder / "tocsin.yaml").write_text(f"{CONFIG}api: {{host: 0.0.0.0, port: {port}, token: canary-5f3a}}\n")
        findings = look(Choices(folder / "tocsin.yaml", folder / "d"))
    assert_told(findings, "an interface without a token")
    assert asked == ["/api/v1/alerts"]
    assert "canary" not in str(findings)
