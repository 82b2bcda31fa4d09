"""What a replay may set otherwise: what processors compute from, and nothing that reaches out."""

from pathlib import Path

import pytest
from pydantic import Field

from agents.topology import agent_class
from console.past.changes import TEXT, changed, with_model
from contracts.errors import ConfigError
from contracts.settings import AgentSettings, Settings
from contracts.yamlfile import YamlFile

SETTINGS = Settings(
    agents={
        "acquisition": AgentSettings.model_validate({"sources": {"push": {"kind": "http"}}}),
        "validation": AgentSettings(),
        "anomaly": AgentSettings.model_validate({"clear_after": 7}),
        "other": AgentSettings.model_validate({"kind": "anomaly", "enabled": False}),
        "notification": AgentSettings.model_validate({"sinks": {"file": {"kind": "file", "path": "a.jsonl"}}}),
    }
)


def changes(text: str) -> Settings:
    return changed(SETTINGS, YamlFile.of(TEXT, text.encode()))


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        changes(text)
    return caught.value.problems


@pytest.mark.parametrize("text", ["anomaly: {threshold: 0.5}", "agents:\n  anomaly:\n    threshold: 0.5\n"])
def test_a_field_is_set_and_the_others_stay(text: str) -> None:
    found = changes(text).agents
    assert found["anomaly"].own == {"clear_after": 7, "threshold": 0.5}
    assert {name: agent for name, agent in found.items() if name != "anomaly"} == {
        name: agent for name, agent in SETTINGS.agents.items() if name != "anomaly"
    }


def test_every_problem_is_told_with_its_line() -> None:
    found = problems("anomaly:\n  threshold: 2\n  treshold: 1\nvalidation:\n\n  lateness_s: soon\n")
    assert [text.partition(": ")[0] for text in found] == ["changes:2", "changes:3", "changes:6"]
    assert "anomaly.threshold" in found[0]
    assert found[1] == "changes:3: anomaly.treshold: no such setting"
    assert problems("agents:\n  anomaly:\n    threshold: 2\n")[0].startswith("changes:3: anomaly.threshold")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("anomaly: {kind: 'os:system'}", "anomaly.kind: cannot be set"),
        ("anomaly: {enabled: false}", "anomaly.enabled: cannot be set"),
        ("acquisition: {sources: {}}", "acquisition: nothing of it runs in a replay"),
        ("notification: {sinks: {f: {kind: file, path: b.jsonl}}}", "notification.sinks: cannot be set"),
        ("notification: {sinks: {f: {kind: console}}}", "notification.sinks: cannot be set"),
        ("notification: {alerting: {labels: {a: b}}}", "notification.alerting: cannot be set"),
        ("other: {threshold: 0.5}", "other: no such agent runs"),
        ("evil: {kind: 'os:system'}", "evil: no such agent runs"),
        ("anomaly: 3", "anomaly: must be a mapping"),
        ("anomaly: {}", "anomaly: must be a mapping"),
        ("data_dir: /etc", "data_dir: no such agent runs"),
        ("{}", "names nothing"),
        ("agents: {}", "names nothing"),
        ("a: !!python/object:os.system {}", "cannot be read"),
        ("- 1", "must be a mapping"),
        ("anomaly: {threshold: 0.5, threshold: 0.6}", "named twice"),
    ],
)
def test_what_reaches_out_or_is_none_is_refused(text: str, why: str) -> None:
    assert any(why in problem for problem in problems(text)), problems(text)


def test_a_path_or_a_secret_anywhere_in_a_field_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = agent_class("anomaly")

    class Reaching(kind):  # type: ignore[misc, valid-type]  # the class is found by its name
        tables: dict[str, list[Path]] = Field(default_factory=dict)
        harmless: str = ""

    monkeypatch.setattr("console.past.changes.agent_class", lambda _: Reaching)
    assert "anomaly.tables: cannot be set" in problems("anomaly: {tables: {a: [/etc/passwd]}}")[0]
    assert changes("anomaly: {harmless: /etc}").agents["anomaly"].own["harmless"] == "/etc"


def test_a_model_is_served_by_those_who_serve_one() -> None:
    digest = "ab" * 32
    assert with_model(SETTINGS, digest).agents["anomaly"].own == {
        "clear_after": 7, "bundle_digest": digest, "pinned": True,
    }  # fmt: skip
    with pytest.raises(ConfigError, match="no agent that runs here"):
        with_model(SETTINGS, digest, ["validation"])
