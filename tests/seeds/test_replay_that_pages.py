"""Somebody runs last night again to understand it, with the service's own configuration.

The pager of whoever is on call rings a second time.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from tests.integration.delivery.receiver import Receiver, receiving

ROOT = Path(__file__).parents[2]


async def replayed(variant: str, receiver: Receiver) -> dict[str, Any]:
    """What a replay in a process of its own computed, and what it connected to."""
    command = [sys.executable, "-m", "tests.seeds.replaying", variant, str(receiver.port)]
    done = await anyio.to_thread.run_sync(
        lambda: subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


async def check(variant: str) -> None:
    """The notification is computed again, and no socket is even asked to connect."""
    async with receiving() as receiver:
        found = await replayed(variant, receiver)
    assert found["computed"] == 1
    assert receiver.connections == 0, "somebody was told again"
    assert found["asked"] == []


async def test_replay_computes_the_notification_and_connects_to_nobody() -> None:
    await check("ours")


async def test_debugging_with_the_service_itself_tells_people_again() -> None:
    with pytest.raises(AssertionError, match="somebody was told again"):
        await check("mutant")
