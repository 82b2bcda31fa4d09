"""Requests made from the interface's own description, sound ones and others, over a socket.

No answer is an error of ours, and each is as it is described. Answers that do not end are left out: they have tests of
their own. ``python -m pytest -m soak`` runs the same with many more requests.
"""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as limited
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from agents.parts import Program
from agents.web.serving import listening, server
from bus.memory import MemoryBus
from console.api.application import Application
from console.api.openapi import openapi
from console.api.operations import OPERATIONS
from console.api.operations.operation import Operation
from contracts.settings import ApiSettings
from tests.unit.console.api.test_alerting import firing, settings_of, signalled


def none_of_ours(context: Any, response: Any, case: Any) -> bool | None:
    """No 5xx, but for the 503 of somebody who is told to come again later because the place is full."""
    if response.status_code == 503 and response.json().get("kind") == "full":
        return None
    return not_a_server_error(context, response, case)


CHECKS = [
    none_of_ours,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
ENDING = [one for one in OPERATIONS if not one.lasting]
#: What names something that is there; anything else is what the strategy thinks of.
KNOWN = {"asset": "pump-1", "channel": "temp", "name": "screen", "agent": "anomaly"}
FEW, MANY = 12, 300


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where an application answers that has alerts, routes and subscribers."""
    settings = settings_of(tmp_path_factory.mktemp("described"))
    limits = ApiSettings(requests_per_minute=10_000_000)
    listener = listening("127.0.0.1", 0)
    stop: list[Callable[[], None]] = []
    started = threading.Event()

    async def serve() -> None:
        bus = MemoryBus(2)
        await signalled(bus, firing(1), firing(2, severity="critical"))
        # Replays are started, and end at once.
        program = Program(("true",), (), {})
        application = Application(settings.model_copy(update={"api": limits}), bus, program=program)
        serving = server(application.app(), 10, 10)
        stop.append(lambda: setattr(serving, "should_exit", True))
        started.set()
        await serving.serve([listener])

    thread = threading.Thread(target=anyio.run, args=(serve,))
    thread.start()
    assert started.wait(30)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    stop[0]()
    thread.join(20)
    listener.close()


@pytest.fixture(scope="module")
def operations() -> dict[tuple[str, str], Any]:
    """What there is by method and path, as the description says it."""
    results: list[Any] = list(schemathesis.openapi.from_dict(openapi()).get_all_operations())
    found = [each.ok() for each in results]
    return {(each.method, each.path): each for each in found}


def tried(one: Any, address: str, mode: GenerationMode, count: int, path: dict[str, str] | None) -> int:
    """Send so many requests, and check every answer; returns how many different ones there were."""
    seen = [0]
    known = {name: value for name, value in (path or {}).items() if f"{{{name}}}" in one.path}

    with requests.Session() as session:

        @given(one.as_strategy(generation_mode=mode, **({"path_parameters": known} if known else {})))
        @limited(
            max_examples=count, database=None, derandomize=True, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def run(case: Any) -> None:
            seen[0] += 1
            case.call_and_validate(base_url=address, session=session, checks=CHECKS, timeout=20)

        run()
    return seen[0]


def every_way(one: Any, operation: Operation, address: str, count: int) -> int:
    """Sound requests about what is there and about anything, and unsound ones where something can be unsound."""
    seen = tried(one, address, GenerationMode.POSITIVE, count, KNOWN)
    if "{" in operation.path:
        seen += tried(one, address, GenerationMode.POSITIVE, count, None)
    if operation.body is not None or operation.parameters:
        seen += tried(one, address, GenerationMode.NEGATIVE, count, KNOWN)
    return seen


@pytest.mark.parametrize("operation", ENDING, ids=lambda one: f"{one.method} {one.path}")
def test_every_answer_is_as_it_is_described(
    address: str, operations: dict[tuple[str, str], Any], operation: Operation
) -> None:
    """And none is an error of ours."""
    assert every_way(operations[operation.method, operation.path], operation, address, FEW)


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("operation", ENDING, ids=lambda one: f"{one.method} {one.path}")
def test_every_answer_is_as_it_is_described_for_long(
    address: str, operations: dict[tuple[str, str], Any], operation: Operation
) -> None:
    """The same with many more requests."""
    assert every_way(operations[operation.method, operation.path], operation, address, MANY)
