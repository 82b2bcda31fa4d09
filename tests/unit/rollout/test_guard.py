"""The chore that ends rollouts."""

import pytest
from pydantic import ValidationError

from agents.parts import Context, Log
from agents.rollout.guard import RolloutGuard
from agents.rollout.record import Record
from bus.memory import MemoryBus
from bus.protocol import Place
from contracts.deployments import Guard
from contracts.events import Event, RolloutChanged
from contracts.frames import encode

from .test_judgement import begun, measured


async def tell(bus: MemoryBus, event: Event) -> None:
    await bus.append(Place(event.stream, 0), list(encode([event], "test")))


async def test_ends_a_rollout_once_and_says_why(tmp_path: object) -> None:
    """Also when another process takes over: all it knows stands in the log."""
    bus = MemoryBus(2)
    for event in (begun(alert_ratio=2), measured("champion", 1000, 10), measured("candidate", 1000, 30)):
        await tell(bus, event)
    guard = RolloutGuard()
    guard.prepare(Context(agent="coordinator", data_dir=tmp_path))  # type: ignore[arg-type]  # not looked at
    (ended,) = await guard.tend(Log(bus, [{}, {}], 5))
    assert isinstance(ended, RolloutChanged)
    assert (ended.state, ended.by, ended.why) == ("aborted", "guard", "alert ratio 3, at most 2")
    await tell(bus, ended)
    assert await guard.tend(Log(bus, [{}, {}], 6)) == []
    assert await RolloutGuard().tend(Log(bus, [{}, {}], 7)) == []


def test_the_first_end_of_a_rollout_is_its_end() -> None:
    """Somebody promotes while the guard aborts: whoever stands first in the log wins."""
    first = begun()
    ends = [first.model_copy(update={"state": state, "id": state}) for state in ("promoted", "aborted")]
    record = Record()
    record.learn([first, *ends])
    assert record.rollouts["r1"].last.state == "promoted"
    assert record.running("anomaly") is None


@pytest.mark.parametrize("name", ["alert_ratio", "latency_ratio"])
@pytest.mark.parametrize("value", ["inf", "nan"])
def test_a_guard_without_an_end_is_refused(name: str, value: str) -> None:
    """The log has no words for it: it would be read back as no guard at all."""
    with pytest.raises(ValidationError, match="finite number"):
        Guard.model_validate({name: value})
