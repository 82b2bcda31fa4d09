"""Apprise, by its plugin for JSON over HTTP: what it is handed, what it says, and what it must not say."""

import json
import logging
from pathlib import Path

import anyio
import pytest

from agents.notification.delivery.apprise import AppriseChannel
from agents.notification.delivery.channel import Surroundings
from contracts.errors import Refused, Unavailable
from contracts.subscribers import AppriseSubscriber
from tests.integration.delivery.receiver import hangs, plain, receiving
from tests.unit.notification.made import due

#: Some of its hundred plugins use what Python is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::PendingDeprecationWarning")

SECRET = "pa55word-canary"


def channel(url: str, folder: Path, timeout: float = 10.0) -> AppriseChannel:
    return AppriseChannel(
        "chat", AppriseSubscriber.model_validate({"url": url, "timeout": timeout}), Surroundings(folder)
    )


async def test_a_message_arrives_with_title_text_and_kind(tmp_path: Path) -> None:
    async with receiving() as receiver:
        way = channel(f"json://ann:{SECRET}@127.0.0.1:{receiver.port}/hook", tmp_path)
        assert await way.send(due("hot\nand bad", severity="critical")) == "done"
        assert await way.send(due("fine", status="resolved")) == "done"
    first, second = (json.loads(request.body) for request in receiver.taken)
    assert (first["title"], first["message"], first["type"]) == ("hot\\nand bad", "Why: hot\nand bad", "failure")
    assert second["type"] == "success"


@pytest.mark.parametrize("status", [500, 403, 302])
async def test_what_does_not_work_is_tried_again_and_no_secret_is_told(
    status: int, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    async with receiving() as receiver:
        receiver.answer = plain(status)
        way = channel(f"json://ann:{SECRET}@127.0.0.1:{receiver.port}/hook/{SECRET}", tmp_path)
        with pytest.raises(Unavailable) as told:
            await way.send(due())
    assert len(receiver.taken) == 1
    assert SECRET not in repr(told.value)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("apprise")] == []
    assert SECRET not in "".join(capfd.readouterr())


async def test_nobody_there(tmp_path: Path) -> None:
    async with receiving() as receiver:
        port = receiver.port
    with pytest.raises(Unavailable):
        await channel(f"json://ann:{SECRET}@127.0.0.1:{port}/", tmp_path).send(due())


async def test_a_server_that_hangs_ends_by_our_limit_and_leaves_no_thread_behind(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.answer = hangs
        way = channel(f"json://127.0.0.1:{receiver.port}/", tmp_path, timeout=1.0)
        with anyio.move_on_after(0.1) as scope:
            await way.send(due())
        assert scope.cancelled_caught
        with anyio.fail_after(20):
            while way._threads.borrowed_tokens:  # noqa: ASYNC110 - the library's thread tells nobody that it ended
                await anyio.sleep(0.01)


@pytest.mark.parametrize("url", [f"nosuch://{SECRET}", f"json://{SECRET}:x:y:z@@", SECRET, "json://"])
async def test_a_url_that_apprise_does_not_know_is_refused_without_being_told(url: str, tmp_path: Path) -> None:
    with pytest.raises(Refused) as told:
        await channel(url, tmp_path).send(due())
    assert SECRET not in repr(told.value)
