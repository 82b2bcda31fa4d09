"""Alerts from beginning to end by the command line, on a service that runs: told, acknowledged, silenced, resolved."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from bench.alerting.receiver import Receiver
from tests.clusters import free_ports

from .commands import ROOT, TOCSIN, Row, folder, processes, wait_for
from .nursery import Nursery

REPEAT_S = 2

# The first one waits for the service, too; each command is a process of seconds on a busy machine.
pytestmark = pytest.mark.timeout(400)


@dataclass
class Site:
    """A service that readings are pushed to, and who is told."""

    base: Path
    port: int
    receiver: Receiver
    nursery: Nursery

    @property
    def where(self) -> tuple[str, Path, str, Path]:
        return "--config", self.base / "tocsin.yaml", "--data-dir", self.base / "d"

    def push(self, asset: str, value: float) -> bool:
        lines = f"m,asset={asset} heat={value} {time.time_ns()}"
        try:
            return httpx.post(f"http://127.0.0.1:{self.port}/api/v1/write", content=lines, timeout=20).is_success
        except httpx.HTTPError:
            return False

    def run(self, *arguments: str, code: int = 0) -> str:
        return self.nursery.tocsin(*arguments, *self.where, code=code)

    def ask(self, *arguments: str) -> Any:
        return json.loads(self.run(*arguments, "--json"))

    def alert(self, asset: str, **like: Any) -> Row | None:
        """The alert of a machine, when it is like this."""
        found = [row for row in self.ask("alerts", "ls", "--state", "all") if row["asset"] == asset]
        return next((row for row in found if like.items() <= row.items()), None)

    def told(self, asset: str, path: str = "/hook") -> list[Row]:
        """What a webhook was told of a machine."""
        return [
            body["data"]
            for _, where, body in self.receiver.heard
            if where == path and any(one["labels"]["asset"] == asset for one in body["data"]["alerts"])
        ]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    (port,) = free_ports(1)
    with folder() as base, Receiver() as receiver, closing(Nursery()) as nursery:
        found = Site(base, port, receiver, nursery)
        local = {"allow_http": True, "allow_private": ["127.0.0.0/8"]}
        config = {
            "bus": {"partitions": 2, "lease_s": 2},
            "agents": {
                "acquisition": {"sources": {"push": {"kind": "http", "port": port}}},
                "validation": {},
                "anomaly": {"detector": "limits", "parameters": {"high": 100}, "clear_after": 3},
                "notification": {},
            },
            "alerting": {
                "route": {
                    "receiver": "hook", "group_by": ["asset"], "group_wait": "0s", "group_interval": "1s",
                    "repeat_interval": f"{REPEAT_S}s",
                },
                "subscribers": {
                    "hook": {"kind": "webhook", "url": f"http://127.0.0.1:{receiver.port}/hook", **local},
                },
            },
        }  # fmt: skip
        (base / "tocsin.yaml").write_text(json.dumps(config))
        with (base / "up.log").open("ab") as log:
            command = [*TOCSIN, "up", *map(str, found.where)]
            with subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, start_new_session=True) as service:
                try:
                    wait_for(lambda: found.push("m-1", 20.0), 90)
                    yield found
                finally:
                    service.send_signal(signal.SIGTERM)


def test_a_trouble_is_told_explained_and_taken_care_of(site: Site) -> None:
    wait_for(lambda: site.push("m-1", 150.0))
    wait_for(lambda: site.told("m-1"))
    first = site.told("m-1")[0]
    assert (first["status"], first["why"], first["firing"]) == ("firing", "new", 1)
    alert = site.alert("m-1", state="open")
    assert alert is not None
    assert (alert["kind"], alert["severity"]) == ("anomaly", "critical")

    shown = site.ask("alerts", "show", alert["id"][:12])
    assert [each["what"] for each in shown["timeline"]][:2] == ["opened", "told hook"]
    assert shown["curve"]["series"] == "m-1/heat"
    # What got no answer in time was sent again.
    assert [*dict.fromkeys(value for _, value in shown["curve"]["points"])] == [20.0, 150.0]
    assert "above the upper limit" in site.run("alerts", "show", alert["id"])
    assert site.ask("lineage", alert["finding"])["alert"]["id"] == alert["finding"]

    wait_for(lambda: any(message["why"] == "repeat" for message in site.told("m-1")))
    site.run("alerts", "ack", alert["id"][:12], "--note", "on it", "--by", "ann")
    wait_for(lambda: site.alert("m-1", state="acknowledged", owner="ann", note="on it"))
    heard = len(site.told("m-1"))
    time.sleep(2.5 * REPEAT_S)
    assert len(site.told("m-1")) <= heard + 1, "one may have been on its way"
    site.run("alerts", "resolve", alert["id"])
    wait_for(lambda: site.told("m-1")[-1]["status"] == "resolved")
    site.run("alerts", "label", alert["id"], "true", "--note", "bearing")
    assert [row["id"] for row in site.ask("alerts", "ls", "--state", "all", "--labelled")] == [alert["id"]]


def test_a_silence_keeps_it_from_everybody_and_ends(site: Site) -> None:
    name = site.run("alerts", "silence", 'asset="m-2"', "--for", "1h").strip()
    assert [row["id"] for row in site.ask("alerts", "silences")] == [name]
    for value in (20.0, 150.0):
        wait_for(lambda value=value: site.push("m-2", value))  # type: ignore[misc] # a value each
    wait_for(lambda: site.alert("m-2", silenced=True))
    assert not site.told("m-2")
    site.run("alerts", "unsilence", name[:8])
    wait_for(lambda: site.told("m-2"))
    site.run("alerts", "silences", code=1)
    site.run("alerts", "silence", 'asset=~".*"', "--for", "1h", code=2)


def test_somebody_subscribes_while_it_runs(site: Site) -> None:
    url = f"http://127.0.0.1:{site.receiver.port}/late"
    fields = (f"url={url}", "allow_http=true", "allow_private=127.0.0.0/8", "events=all")
    secret = site.run("subscribers", "add", "late", "kind=webhook", *fields).strip()
    Webhook(secret)
    assert "secret" not in site.ask("subscribers", "show", "late")["spec"]
    assert secret not in site.run("export", "--all", "--json")
    site.run("subscribers", "test", "late")
    wait_for(lambda: [body for _, path, body in site.receiver.heard if path == "/late"])
    wait_for(lambda: site.ask("subscribers", "show", "late")["sent"] == 1)
    assert [row["outcome"] for row in site.ask("subscribers", "deliveries", "late")] == ["delivered"]
    site.run("subscribers", "pause", "late")
    site.run("subscribers", "test", "late", code=2)
    site.run("subscribers", "add", "late", "kind=webhook", "url=ftp://example.org", code=2)
    site.run("subscribers", "remove", "late")
    site.run("subscribers", "show", "late", code=1)


def test_a_process_that_is_killed_tells_of_what_comes_next(site: Site) -> None:
    wait_for(lambda: site.push("m-3", 20.0))
    found = processes(site.base / "d").items()
    (pid,) = (pid for pid, line in found if " up " in line and "notification" in line and "--owner" in line)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: site.push("m-3", 150.0))
    wait_for(lambda: site.told("m-3"))
    assert (site.told("m-3")[0]["why"], site.told("m-3")[0]["firing"]) == ("new", 1)


def test_a_replay_is_the_same_and_tells_nobody(site: Site) -> None:
    last = site.alert("m-3", state="open")
    assert last is not None
    for asset in ("m-2", "m-3"):
        found = site.alert(asset)
        assert found is not None
        site.run("alerts", "resolve", found["id"])
        wait_for(lambda asset=asset: site.told(asset)[-1]["status"] == "resolved")  # type: ignore[misc] # an asset each
    heard = len(site.receiver.heard)
    site.run("replay", "--diff")
    assert len(site.receiver.heard) == heard
