"""Replays over HTTP: real ones, of a log that stays as it is; and an incident that outlives its instance."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from models.bundle import builtin
from models.cache import BundleCache
from tests.clusters import free_ports

from .commands import folder, processes, rows, start, tocsin, wait_for
from .conftest import Finished

#: It does not find the lesser of two anomalies.
DEAF = builtin("records", {"threshold": 0.79})


@dataclass
class Instance:
    """An interface on a log of its own."""

    base: Path
    url: str
    span: dict[str, str]
    """The range of an incident, whose report is in ``base``."""
    process: "subprocess.Popen[str] | None" = None

    @property
    def data_dir(self) -> Path:
        return self.base / "d"

    @property
    def where(self) -> tuple[str, Path, str, Path]:
        return "--config", self.base / "tocsin.yaml", "--data-dir", self.data_dir

    def ask(self, code: int = 202, **asked: Any) -> Any:
        answer = httpx.post(f"{self.url}/replays", json={**self.span, **asked}, timeout=60)
        assert answer.status_code == code, answer.text
        return answer.json()

    def get(self, path: str = "", **query: Any) -> Any:
        return httpx.get(f"{self.url}/replays{path}", params=query, timeout=60).raise_for_status().json()

    def done(self, run: Any) -> Any:
        """The run, once it has ended."""
        return wait_for(lambda: found if (found := self.get(f"/{run['id']}"))["ended"] else None)

    def child(self) -> int:
        """The process of the replay that runs."""
        return int(wait_for(lambda: next((p for p, line in processes(self.data_dir).items() if " replay " in line), 0)))

    def end(self) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()

    def begin(self) -> None:
        self.process = start("api", *self.where)
        wait_for(self.answers, 90)

    def answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, self.process.communicate()
        try:
            return httpx.get(f"{self.url}/replays", timeout=20).is_success
        except httpx.TransportError:
            return False

    def log(self) -> dict[bytes, Any]:
        """Everything that the server holds, but for the record of who asked for what."""
        with Redis(unix_socket_path=str(self.data_dir / "redis/valkey.sock")) as client:
            keys = [key for key in client.scan_iter() if b"audit" not in key]
            return {key: _content(client, key) for key in keys}


def _content(client: Any, key: bytes) -> Any:
    if client.type(key) != b"hash":
        return client.dump(key)
    return {name: text for name, text in client.hgetall(key).items() if b"audit" not in name}


@pytest.fixture(scope="module")
def instance(finished: Finished) -> Iterator[Instance]:
    with folder() as base:
        shutil.copytree(finished.data_dir, base / "d", ignore=shutil.ignore_patterns("*.sock", "lock"))
        (port,) = free_ports(1)
        (base / "tocsin.yaml").write_text(f"api: {{port: {port}}}\nreplay: {{waiting: 1}}\nagents:\n" + AGENTS)
        BundleCache(base / "d").put(DEAF)
        alert = next(row for row in rows(finished.exported) if row["type"] == "AnomalyDetected")
        where = ("--config", base / "tocsin.yaml", "--data-dir", base / "d")
        told = json.loads(tocsin("incident", alert["id"], "--output", base / "incident", "--json", *where))["bundle"]
        span = {"from": told["from"], "to": told["to"]}
        found = Instance(base, f"http://127.0.0.1:{port}/api/v1", span)
        try:
            found.begin()
            yield found
        finally:
            found.end()


AGENTS = "".join(f"  {name}: {{}}\n" for name in ("validation", "anomaly", "drift")) + (
    "  acquisition: {sources: {push: {kind: http}}}\n"
    "  notification: {sinks: {screen: {kind: console}, file: {kind: file, path: alerts.jsonl}}}\n"
)


@pytest.fixture(scope="module")
def same(instance: Instance) -> Any:
    """A replay that asks for nothing else than what was."""
    return instance.done(instance.ask())


@pytest.mark.timeout(240)
def test_the_past_comes_out_as_it_was_and_otherwise_with_another_model(
    instance: Instance, finished: Finished, request: pytest.FixtureRequest
) -> None:
    before, told = instance.log(), (instance.data_dir / "alerts.jsonl").read_bytes()
    found = request.getfixturevalue("same")
    assert (found["state"], found["problem"]) == ("done", "")
    assert found["verdict"] == f"identical, byte for byte: {found['result']['recorded']:,} events"
    assert found["result"]["digest"] == found["result"]["digest_recorded"]
    assert found["result"]["recorded"] > 100
    assert found["progress"]["done"] == found["progress"]["total"] > 100
    found = instance.done(other := instance.ask(model=DEAF.digest, by="ann"))
    assert (found["state"], found["by"], found["result"]["identical"]) == ("done", "ann", False)
    pages, after = list[Any](), "0"
    while after:
        page = instance.get(f"/{other['id']}/differences", after=after, limit=2)
        pages, after = [*pages, *page["differences"]], page["next"]
    assert len(pages) == found["result"]["differences"] > 2
    recorded = {row["id"] for row in rows(finished.exported)}
    assert {row["recorded"] for row in pages} - {""} <= recorded
    assert ("vanishes", "AnomalyDetected") in {(row["difference"], row["type"]) for row in pages}
    assert found["verdict"].startswith("1 anomaly vanishes")
    assert instance.log() == before
    assert (instance.data_dir / "alerts.jsonl").read_bytes() == told


def test_what_cannot_be_run_is_refused_with_its_line(instance: Instance) -> None:
    refused = instance.ask(422, changes="anomaly:\n  clear_after: 5\n  threshold: 2\n")
    assert refused["error"] == "changes:3: anomaly.threshold: Input should be less than or equal to 1"
    for asked in ({"model": "ab" * 32}, {"model": "none"}, {"agents": ["nobody"]}, {"from": "2027-01-01T00:00:00Z"},
                  {"series": "a/b/c"}, {"from": "yesterday"}, {"series": "a\nb"}, {"from": "9999-01-01T00:00:00Z"},
                  {"model": DEAF.digest, "changes": "anomaly: {threshold: 0.5}"}):  # fmt: skip
        assert instance.ask(422, **asked)["error"]


@pytest.mark.soak
@pytest.mark.timeout(240)
def test_a_killed_replay_is_told_and_so_is_one_whose_interface_was_killed(instance: Instance) -> None:
    killed = instance.ask()
    os.kill(instance.child(), signal.SIGKILL)
    found = instance.done(killed)
    assert (found["state"], found["problem"]) == ("failed", "its process ended with signal 9")
    before = {row["id"]: row["state"] for row in instance.get()["replays"]}
    cut = instance.ask(changes="anomaly: {threshold: 0.5}")
    child = instance.child()
    instance.end()
    wait_for(lambda: child not in processes(instance.data_dir))
    instance.begin()
    states = {row["id"]: row["state"] for row in instance.get()["replays"]}
    assert states == {**before, cut["id"]: "interrupted"}
    assert set(before.values()) >= {"done", "failed"}


#: Ends the process when it opens a file of the instance, or reaches out.
GUARDED = """
import sys
forbidden = sys.argv.pop(1)
def hook(event, arguments):
    reached = event.startswith("socket.") and event != "socket.__new__" or event in ("subprocess.Popen", "os.exec")
    if reached or event == "open" and forbidden in str(arguments[0]):
        print("reached out:", event, arguments, file=sys.stderr)
        import os
        os._exit(99)
sys.addaudithook(hook)
from console.cli import main
main(sys.argv[1:])
"""


def guarded(forbidden: Path, cwd: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", GUARDED, str(forbidden), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=cwd, check=False)


@pytest.mark.timeout(240)
def test_an_incident_comes_out_byte_for_byte_where_its_instance_is_gone(instance: Instance, same: Any) -> None:
    there = same["result"]
    with folder() as empty:
        bundle = Path(shutil.move(instance.base / "incident" / "bundle.tar", empty / "bundle.tar"))
        for pid in processes(instance.base):
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not processes(instance.base))
        shutil.rmtree(instance.base)
        again = guarded(instance.base, empty, "replay", bundle, "--diff", "--json", "--progress", "json")
        assert (again.returncode, again.stdout) == (0, ""), again.stderr
        here = next(row["result"] for row in rows(again.stderr) if "result" in row)
        assert here["recorded"] == there["recorded"] > 100
        assert here["digest"] == here["digest_recorded"] == there["digest"] == there["digest_recorded"]
        assert sorted(path.name for path in empty.iterdir()) == ["bundle.tar"]
        damaged = bytearray(bundle.read_bytes())
        damaged[damaged.index(b"PAR1") + 20] ^= 1
        bundle.write_bytes(damaged)
        refused = guarded(instance.base, empty, "replay", bundle, "--diff")
        assert refused.returncode == 65
        assert "its digest is not the one in manifest.json" in refused.stderr
