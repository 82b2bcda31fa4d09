"""The description of the interface."""

import json
from typing import Any

from console.api.openapi import openapi


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
