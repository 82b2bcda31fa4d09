"""The generated schemas say what the classes say, every time with the same bytes."""

import json
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, Field, SecretStr

from contracts.events import EVENTS, AnomalyDetected, Event, Evidence, ReadingsAcquired, ReadingsEvent
from contracts.frames import encode
from contracts.readings import Readings, Series
from contracts.schema import DIALECT, as_text, asyncapi, events_schema, settings_schema
from contracts.settings import Settings

EXAMPLE = AnomalyDetected.of(
    cause="c",
    time=1,
    asset="pump-1",
    channel="flow",
    detector="d",
    bundle="b",
    feature_set="f",
    environment="e",
    evidence=Evidence(stream="readings.accepted", first=1, last=2),
    score=0.9,
    threshold=0.5,
    reason="r",
    value=1.5,
)


class Agent(BaseModel):
    """An agent."""

    speed: float = Field(default=1.0, gt=0)
    token: SecretStr | None = None


class Rule(BaseModel):
    """Not the Rule of another agent."""

    name: str


class Other(BaseModel):
    """Another agent."""

    rules: list[Rule] = []


def references(schema: Any) -> set[str]:
    """Every place that a schema refers to."""
    if isinstance(schema, dict):
        own = {schema["$ref"]} if isinstance(schema.get("$ref"), str) else set()
        return own.union(*map(references, schema.values()))
    return set().union(*map(references, schema)) if isinstance(schema, list) else set()


def resolved(document: dict[str, Any], reference: str) -> Any:
    place: Any = document
    for step in reference.removeprefix("#/").split("/"):
        place = place[step]
    return place


@pytest.mark.parametrize("make", [events_schema, asyncapi, lambda: settings_schema({"agent": Agent, "other": Other})])
def test_a_document_is_the_same_every_time_and_whole(make: Any) -> None:
    text = as_text(make())
    assert text == as_text(make())
    assert text.endswith("}\n")
    document = json.loads(text)
    assert as_text(document) == text, "sorted"
    found = references(document)
    assert found
    for reference in found:
        assert resolved(document, reference), reference


def test_every_event_type_is_described_with_its_stream_and_version() -> None:
    document = events_schema()
    assert document["$schema"] == DIALECT
    assert {item["$ref"].rpartition("/")[2] for item in document["anyOf"]} == set(EVENTS)
    for name, kind in EVENTS.items():
        schema = document["$defs"][name]
        assert schema["x-stream"] == kind.stream
        assert schema["x-version"] == kind.version
        assert schema["x-operational"] == kind.operational
        assert schema["description"]


def test_an_event_as_it_is_written_fits_its_schema() -> None:
    document = events_schema()
    schema = document["$defs"]["AnomalyDetected"]
    (frame,) = encode([EXAMPLE], "test")
    (event,) = json.loads(frame.body)
    assert set(schema["required"]) <= set(event) <= set(schema["properties"])
    kinds: dict[str, Any] = {"string": str, "integer": int, "number": (int, float), "object": dict}
    for name, value in event.items():
        about = schema["properties"][name]
        about = resolved(document, about["$ref"]) if "$ref" in about else about
        assert isinstance(value, kinds[about["type"]]), name
        assert value in about.get("enum", [value])
        assert about.get("minimum", 0) <= (value if name == "score" else 0) <= about.get("maximum", 1)


def test_each_field_of_each_event_is_a_property() -> None:
    definitions = events_schema()["$defs"]
    for name, kind in EVENTS.items():
        if issubclass(kind, Event):
            assert set(definitions[name]["properties"]) == set(kind.model_fields), name


def test_readings_are_described_as_header_and_columns() -> None:
    zeros = np.zeros(1, np.int64)
    readings = Readings.of([Series("s", "a", "c")], zeros.astype(np.int32), zeros, np.ones(1), zeros, notes={0: "?"})
    (frame,) = encode([ReadingsAcquired(readings)], "test")
    schema = events_schema()["$defs"]["ReadingsAcquired"]
    assert set(json.loads(frame.body)) == set(schema["properties"])
    columns = {column["name"]: column["type"] for column in schema["x-columns"]}
    assert columns["time"] == "timestamp[ns, tz=UTC]"
    assert set(columns) == {"code", "time", "value", "quality", "position", "verdict"}


def test_a_change_of_a_class_changes_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    before = as_text(events_schema()), as_text(asyncapi())
    monkeypatch.setattr(AnomalyDetected, "version", 2)
    after = as_text(events_schema()), as_text(asyncapi())
    assert before[0] != after[0]
    assert before[1] != after[1]


# ---------------------------------------------------------------- streams


def test_asyncapi_has_a_channel_for_each_stream_with_its_messages() -> None:
    document = asyncapi()
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {kind.stream for kind in EVENTS.values()}
    for name, kind in EVENTS.items():
        channel = document["channels"][kind.stream]
        assert channel["address"] == f"tocsin:{{{{partition}}}}:{kind.stream}"
        assert set(channel["parameters"]) == {"partition"}
        assert name in channel["messages"]


def test_a_message_describes_the_fields_of_a_frame() -> None:
    messages = asyncapi()["components"]["messages"]
    (frame,) = encode([EXAMPLE], "test", trace="00-trace")
    payload = messages["AnomalyDetected"]["payload"]
    assert set(payload["properties"]) == {name.decode() for name in frame.fields()}
    assert set(payload["properties"]) - set(payload["required"]) == {"x"}
    assert payload["properties"]["t"]["const"] == frame.tag.decode()
    for name, kind in EVENTS.items():
        assert ("c" in messages[name]["payload"]["properties"]) == issubclass(kind, ReadingsEvent)


# ---------------------------------------------------------------- settings


def test_every_setting_is_described_and_unknown_ones_are_refused() -> None:
    document = settings_schema({"agent": Agent})
    assert set(document["properties"]) == set(Settings.model_fields)
    assert document["additionalProperties"] is False
    assert document["$defs"]["RedisSettings"]["properties"]["password"]["anyOf"][0]["writeOnly"] is True


def test_an_entry_is_described_by_its_kind_or_by_its_name() -> None:
    document = settings_schema({"agent": Agent, "other": Other})
    agents = document["properties"]["agents"]
    assert agents["properties"]["agent"]["else"] == {"$ref": "#/$defs/Agent"}
    (by_kind, _) = document["$defs"]["AgentSettings"]["allOf"]
    assert by_kind["if"]["properties"]["kind"] == {"const": "agent"}
    assert by_kind["then"] == {"$ref": "#/$defs/Agent"}
    assert set(document["$defs"]["Agent"]["properties"]) == {"speed", "token", "kind", "enabled"}
    assert "Rule" in document["$defs"]
