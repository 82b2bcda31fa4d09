"""Apprise, by its plugin for JSON over HTTP: what it is handed, what it says, and what it must not say."""

import json
import logging
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream

from agents.notification.delivery.apprise import AppriseChannel
from agents.notification.delivery.channel import Surroundings
from contracts.errors import Refused, Unavailable
from contracts.subscribers import AppriseSubscriber
from tests.integration.delivery.receiver import Request, plain, receiving, resets
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


async def test_a_server_that_hangs_is_left_alone_and_asked_no_more_until_it_lets_go(tmp_path: Path) -> None:
    let_go = anyio.Event()

    async def hangs(request: Request, stream: ByteStream) -> str:
        await let_go.wait()
        return await resets(request, stream)

    async with receiving() as receiver:
        receiver.answer = hangs
        way = channel(f"json://127.0.0.1:{receiver.port}/", tmp_path, timeout=100.0)
        for number in (1, 2):
            with anyio.move_on_after(90) as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(way.send, due())
                    while len(receiver.taken) < number:  # noqa: ASYNC110 - the receiver only writes down
                        await anyio.sleep(0.01)
                    group.cancel_scope.cancel()
            assert not scope.cancelled_caught
        with pytest.raises(Unavailable, match="still hang"):
            await way.send(due())
        let_go.set()
        receiver.answer = plain(200)
        with anyio.fail_after(90):
            while way._under_way:  # noqa: ASYNC110 - the library's threads tell nobody that they end
                await anyio.sleep(0.01)
        assert await way.send(due()) == "done"


@pytest.mark.parametrize("url", [f"nosuch://{SECRET}", f"json://{SECRET}:x:y:z@@", SECRET, "json://"])
async def test_a_url_that_apprise_does_not_know_is_refused_without_being_told(url: str, tmp_path: Path) -> None:
    with pytest.raises(Refused) as told:
        await channel(url, tmp_path).send(due())
    assert SECRET not in repr(told.value)
