"""The doctor in the background: one look at a time, once a minute at most, and none where nobody asks."""

import json
import sys
from pathlib import Path
from typing import Any

import anyio

from agents.clock import Clock
from agents.parts import Program
from bus.history import History
from bus.memory import MemoryBus
from bus.protocol import Place
from console.checkup import Checkup, doctors_errand
from console.errand import Errand
from contracts.events import HealthChanged
from contracts.frames import encode
from contracts.settings import RedisSettings, Settings, child_environment
from tests.apis import until


class Hand(Clock):
    """A monotonic clock that a test turns."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def monotonic_s(self) -> float:
        return self.s


def doctor(folder: Path, answer: Any, code: int = 0) -> Errand:
    """Notes that it was called, and says ``answer``."""
    script = (
        f"import sys; open({str(folder / 'calls')!r}, 'a').write('x'); print({json.dumps(answer)!r}); sys.exit({code})"
    )
    return Errand(Program([sys.executable, "-c", script], [], child_environment({})))


def calls(folder: Path) -> int:
    path = folder / "calls"
    return len(path.read_text()) if path.exists() else 0


def row(check: str, status: str) -> dict[str, str]:
    return {"check": check, "status": status, "found": "f", "cause": "", "mend": ""}


async def looked(checkup: Checkup) -> dict[str, Any]:
    with anyio.fail_after(30):
        await until(lambda: checkup._under_way is None)
    return await checkup.now()


async def test_one_look_a_minute_however_many_ask(tmp_path: Path) -> None:
    clock, rows = Hand(), [row("a", "ok"), row("b", "fail"), row("c", "warn")]
    checkup = Checkup(History(None, MemoryBus(1)), doctor(tmp_path, rows, code=69), clock)
    assert calls(tmp_path) == 0, "nobody asked"
    found = [await checkup.now() for _ in range(5)]
    assert {each["state"] for each in found} == {"looking"}
    done = await looked(checkup)
    assert (done["state"], done["failed"], done["warned"]) == ("done", 1, 1)
    assert [each["check"] for each in done["findings"]] == ["b", "c", "a"], "the worst first"
    assert calls(tmp_path) == 1
    clock.s += 59
    assert (await checkup.now())["state"] == "done"
    clock.s += 2
    assert (await checkup.now())["state"] == "looking"
    await looked(checkup)
    assert calls(tmp_path) == 2


async def test_whoever_wants_a_look_now_gets_one_of_the_last_seconds(tmp_path: Path) -> None:
    clock = Hand()
    checkup = Checkup(History(None, MemoryBus(1)), doctor(tmp_path, [row("a", "ok")]), clock)
    await checkup.now()
    await looked(checkup)
    assert (await checkup.now(anew=True))["state"] == "done"
    clock.s += 6
    assert (await checkup.now(anew=True))["state"] == "looking"
    await looked(checkup)


async def test_what_was_found_stays_when_the_doctor_fails(tmp_path: Path) -> None:
    clock = Hand()
    checkup = Checkup(History(None, MemoryBus(1)), doctor(tmp_path, [row("a", "ok")]), clock)
    await checkup.now()
    first = await looked(checkup)
    checkup.errand = doctor(tmp_path, "not a list of findings")
    clock.s += 61
    await checkup.now()
    then = await looked(checkup)
    assert then["findings"] == first["findings"]
    assert then["at"] == first["at"], "it is as old as it was"
    assert "could not look" in then["problem"]


async def test_changes_are_told_the_latest_first(tmp_path: Path) -> None:
    bus = MemoryBus(2)
    checkup = Checkup(History(None, bus), None)
    for number, state in enumerate(("failed", "ok"), 1):
        told = {"check": "data-gaps", "state": state, "found": "f"}
        event = HealthChanged.of(cause="c", time=number, asset="coordinator", discriminator=str(number), **told)
        await bus.append(Place(event.stream, number % 2), list(encode([event], "test")))
    now = await checkup.now()
    assert now["state"] == "cannot look"
    assert [change["state"] for change in now["changes"]] == ["ok", "failed"]


def test_the_embedded_server_is_looked_for_as_a_person_would(tmp_path: Path) -> None:
    """An address that the supervisor gave would hide its folder from the checks."""
    given = {"TOCSIN_REDIS__URL": "unix://x"}
    errand = Errand(Program([], [], given))
    own = Settings(data_dir=tmp_path, redis=RedisSettings(url=f"unix://{tmp_path}/redis/valkey.sock"))
    other = Settings(data_dir=tmp_path, redis=RedisSettings(url="redis://elsewhere"))
    assert (doctors_errand(errand, own) or errand).program.environment == {}
    assert (doctors_errand(errand, other) or errand).program.environment == given
