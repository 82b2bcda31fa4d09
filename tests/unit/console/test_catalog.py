"""Which bundle a name means."""

from typing import Any

import pytest

from bus.memory import MemoryBus
from bus.protocol import Place
from console.catalog import Catalog, Model, Unknown
from contracts.events import Event, ModelPromoted, ModelPublished
from contracts.frames import encode

A, B, C = ("a" * 64, "b" * 64, "c" * 64)


def published(version: str, bundle: str) -> ModelPublished:
    return ModelPublished.of(
        cause="x", time=1, asset="coordinator", name="pumps", model_version=version, bundle=bundle, run_id="r"
    )


def promoted(alias: str, version: str, bundle: str) -> ModelPromoted:
    return ModelPromoted.of(
        cause="x", time=2, asset="coordinator", name="pumps", alias=alias, model_version=version, bundle=bundle
    )


async def tell(bus: MemoryBus, partition: int, event: Event) -> None:
    await bus.append(Place(event.stream, partition), list(encode([event], "coordinator")))


def found(catalog: Catalog, **wanted: Any) -> str:
    return catalog.find(**wanted).bundle


async def test_production_is_the_first_published_until_somebody_promotes() -> None:
    """Also when the events stand in different partitions, and when looked at in between."""
    bus = MemoryBus(4)
    catalog = Catalog(bus)
    await tell(bus, 1, published("1", A))
    await catalog.refresh()
    assert found(catalog, name="pumps") == A
    await tell(bus, 3, published("2", B))
    await tell(bus, 2, promoted("production", "2", B))
    await tell(bus, 2, promoted("next", "3", C))
    await catalog.refresh()
    assert found(catalog, name="pumps") == B
    assert found(catalog, name="pumps", version="1") == A
    assert found(catalog, name="pumps", alias="next") == C
    assert catalog.known() == {"pumps": ({"1": A, "2": B, "3": C}, {"production": "2", "next": "3"})}


@pytest.mark.parametrize(
    ("wanted", "kind", "names"),
    [
        ({"name": "fans"}, "unknown model", "pumps"),
        ({"name": "pumps", "version": "9"}, "unknown version", "1"),
        ({"name": "pumps", "alias": "staging"}, "unknown alias", "production"),
    ],
)
def test_what_is_not_known_is_told_apart(wanted: dict[str, str], kind: str, names: str) -> None:
    """With what is known instead."""
    catalog = Catalog(MemoryBus(1))
    catalog.learn(published("1", A))
    with pytest.raises(Unknown, match=names) as unknown:
        catalog.find(**wanted)
    assert unknown.value.kind == kind


@pytest.mark.parametrize("text", ["pumps", "pumps@production", "pumps/1", A])
def test_a_model_has_four_spellings(text: str) -> None:
    """All of them lead to its name and version."""
    catalog = Catalog(MemoryBus(1))
    catalog.learn(published("1", A))
    assert catalog.spelled(text) == Model(A, "pumps", "1")
