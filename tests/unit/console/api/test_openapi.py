"""The description of the interface."""

import json
from typing import Any

from starlette.routing import Route

from bus.memory import MemoryBus
from console.access.admission import plain
from console.api.application import Application
from console.api.asyncapi import asyncapi
from console.api.openapi import openapi
from contracts.events import AlertChanged
from contracts.rows import event_row
from contracts.settings import ApiSettings, Settings
from tests.histories.frames import sample


def references(tree: Any) -> set[str]:
    """Everything that is pointed to."""
    if isinstance(tree, dict):
        here = {tree["$ref"]} if isinstance(tree.get("$ref"), str) else set()
        return here.union(*map(references, tree.values()))
    return set().union(*map(references, tree)) if isinstance(tree, list) else set()


def test_points_only_to_what_it_has() -> None:
    """And can be written as JSON."""
    document = json.loads(json.dumps(openapi()))
    schemas = document["components"]["schemas"]
    found = references(document)
    assert found
    assert {f"#/components/schemas/{name}" for name in schemas} >= found


def test_every_operation_has_a_name_of_its_own_and_answers_with_problems() -> None:
    """Clients are made from it."""
    operations = [operation for path in openapi()["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        problems = {code for code in operation["responses"] if code != "200"}
        assert {"401", "403", "421", "503"} <= problems


def test_describes_every_path_and_method_that_is_answered_and_no_other() -> None:
    """A new route without a description is found here."""
    application = Application(Settings(), MemoryBus(1))
    told = {(method.upper(), path) for path, methods in openapi()["paths"].items() for method in methods}
    routed = {
        (method, plain(route.path))
        for route in application.routes()
        if isinstance(route, Route) and route.path.startswith("/api/")
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert routed == told


def test_asyncapi_points_only_to_what_it_has() -> None:
    """Every event that can be subscribed to is a message of both channels."""
    document = json.loads(json.dumps(asyncapi(ApiSettings())))
    components = document["components"]
    there = {f"#/components/{kind}/{name}" for kind, items in components.items() for name in items}
    there |= {f"#/{kind}/{name}" for kind in ("servers", "channels") for name in document[kind]}
    assert references(document) <= there
    events = set(document["channels"]["events"]["messages"])
    assert events == set(document["channels"]["eventsByWebSocket"]["messages"])
    assert {"AlertChanged", "DriftDetected", "tocsin.gap"} <= events
    assert "ReadingsAccepted" not in events
    row = event_row(sample(AlertChanged)[0])  # type: ignore[arg-type]  # a sample of a class that is no batch
    assert set(row) <= set(components["schemas"]["AlertChanged"]["properties"])
