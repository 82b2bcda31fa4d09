"""Mail by processes that deliver, while the server is down, greylists, and refuses half of the mailboxes."""

import os
import signal
from pathlib import Path
from typing import Any

from agents.redriving import Desk
from bus.protocol import Place
from bus.redis.bus import RedisBus
from contracts.events import DeadLettered, DeliveryAttempted, NotificationDue, NotificationFailed, NotificationSent
from contracts.frames import encode
from tests.integration.channels.mailing import PostOffice, opened
from tests.integration.delivery.conftest import Postmen
from tests.integration.delivery.messages import due
from tests.integration.runtime.test_sinks import all_settled, until
from tests.servers import LiveServer
from tests.unit.runtime.counting import of_type

PLACE = Place(NotificationDue.stream, 0)
ANN, BOB, CLO, DAN = "ann@example.org", "bob@example.org", "clo@example.org", "dan@example.org"


def mail(port: int, **said: Any) -> dict[str, Any]:
    return {
        "kind": "email", "to": [ANN, BOB, CLO, DAN], "sender": "tocsin@example.org", "host": "127.0.0.1", "port": port,
        "tls": "none", "disable_after": 1_000_000, **said,
    }  # fmt: skip


async def posted(bus: RedisBus, *names: str, numbers: range = range(1)) -> None:
    await bus.append(PLACE, list(encode([due(name, number) for number in numbers for name in names], "alerts")))


def got(office: PostOffice, address: str) -> list[str]:
    """The keys of what a mailbox got."""
    return [str(found["X-Tocsin-Key"]) for to, found in office.taken if address in to]


async def test_a_server_that_is_down_gets_it_when_it_is_back_and_delays_nobody(
    log_: RedisBus, live: LiveServer, postmen: Postmen, tmp_path: Path
) -> None:
    office = PostOffice()
    postmen.start(live.url, "one", tmp_path, {"mail": mail(office.port), "log": {"kind": "file", "path": "told.jsonl"}})
    await posted(log_, "mail", "log", numbers=range(5))

    async def tried() -> bool:
        return len(await of_type(log_, DeliveryAttempted)) >= 3 and len(await of_type(log_, NotificationSent)) == 5

    await until(tried, limit_s=60)
    assert len((tmp_path / "told.jsonl").read_text().splitlines()) == 5
    async with opened(office):
        await until(all_settled(log_, "delivery", PLACE), limit_s=60)
    assert got(office, ANN) == got(office, DAN) == [f"mail-{number}" for number in range(5)]
    assert {each.error.split(". ")[0] for each in await of_type(log_, DeliveryAttempted)} == {
        "Unavailable: the mail server takes no connection"
    }


async def test_killed_while_half_of_the_mailboxes_greylist_nobody_gets_it_twice(
    log_: RedisBus, live: LiveServer, postmen: Postmen, tmp_path: Path
) -> None:
    office = PostOffice()
    office.says = {BOB: ["451 greylisted", "451 greylisted", "250 fine"], DAN: ["451 greylisted", "250 fine"]}
    async with opened(office):
        specs = {"mail": mail(office.port)}
        await posted(log_, "mail", numbers=range(3))
        for life in range(2):
            # It would come again after a minute; the next life of the process does at once.
            pid = postmen.start(live.url, "one", tmp_path, specs)

            async def failed(times: int = life + 1) -> bool:
                return len(await of_type(log_, DeliveryAttempted)) >= times

            await until(failed, limit_s=60)
            os.kill(pid, signal.SIGKILL)
        postmen.start(live.url, "one", tmp_path, specs)
        await until(all_settled(log_, "delivery", PLACE), limit_s=60)
    for address in (ANN, BOB, CLO, DAN):
        assert got(office, address) == [f"mail-{number}" for number in range(3)]
    assert await of_type(log_, DeadLettered) == []


async def test_mailboxes_that_refuse_become_a_dead_letter_that_goes_to_them_alone(
    log_: RedisBus, live: LiveServer, postmen: Postmen, tmp_path: Path
) -> None:
    office = PostOffice()
    office.says = {BOB: ["550 no such user"], DAN: ["550 no such user"]}
    async with opened(office):
        postmen.start(live.url, "one", tmp_path, {"mail": mail(office.port)})
        await posted(log_, "mail")
        await until(all_settled(log_, "delivery", PLACE), limit_s=60)
        (told,) = await of_type(log_, NotificationFailed)
        assert "2 of 4 mailboxes refused: bob@example.org (550 no such user), dan@example.org (550" in told.error
        assert (got(office, ANN), got(office, BOB)) == (["mail-0"], [])
        office.says = {}
        desk = Desk(log_, log_, by="ann")
        await desk.letters.refresh()
        for letter in list(desk.letters):
            assert await desk.redrive(letter)
        await until(lambda: bool(got(office, DAN)), limit_s=60)
        await until(all_settled(log_, "delivery", PLACE), limit_s=60)
    assert [got(office, address) for address in (ANN, BOB, CLO, DAN)] == [["mail-0"]] * 4
