"""tocsin config: every error at once, nothing secret shown, and schemas that are never out of date."""

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from agents.parts import Part
from console.cli import main
from console.config import SCHEMAS, hide, schemas
from console.past.packing import _forget_secrets

ROOT = Path(__file__).resolve().parents[3]
CANARY = "canary-2b8d"


class Keeper(Part):
    """An agent with secrets."""

    webhook: SecretStr
    api_token: str = ""
    target: str = ""


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("TOCSIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command: exit code, standard output, standard error."""

    def run(*arguments: str | Path) -> tuple[int | str | None, str, str]:
        with pytest.raises(SystemExit) as end:
            main(["config", *map(str, arguments)])
        said = capsys.readouterr()
        return end.value.code, said.out, said.err

    return run


# ---------------------------------------------------------------- check

SHIPPED = [ROOT / "config" / "default.yaml", *sorted((ROOT / "config" / "examples").glob("*.yaml"))]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda path: path.name)
def test_what_we_ship_has_no_errors(run: Any, file: Path) -> None:
    code, out, err = run("check", "--config", file)
    assert (code, err) == (0, "")
    assert str(file) in out
    assert "6 agents" in out


def test_there_are_examples() -> None:
    assert {path.stem for path in SHIPPED} == {
        "default",
        "plant",
        "files",
        "follow",
        "external-servers",
        "bearing",
        "training",
        "alerting",
    }


def test_every_error_is_listed_at_once_with_its_line(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(
        "redis:\n  url: nowhere\nagents:\n  validation:\n    lateness_s: -1\n    nonsense: 1\n  anomally: {}\n"
    )
    code, out, err = run("check", "--config", file)
    assert code == 78
    assert out == ""
    for line, what in ((2, "redis.url"), (5, "lateness_s"), (6, "no such setting"), (7, "no agent kind 'anomally'")):
        assert [text for text in err.splitlines() if f"{file}:{line}:" in text and what in text], what


def test_an_agent_that_nobody_feeds_is_an_error(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("agents:\n  anomaly: {}\n")
    code, _, err = run("check", "--config", file)
    assert code == 78
    assert f"{file}:2:" in err
    assert "ReadingsAccepted, which no enabled agent writes" in err


def test_errors_as_json(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("bus: {partitions: 0}\n")
    code, out, _ = run("check", "--json", "--config", file)
    assert code == 78
    (problem,) = json.loads(out)["problems"]
    assert problem.startswith(f"{file}:1: bus.partitions: ")
    file.write_text("bus: {partitions: 1}\n")
    code, out, _ = run("check", "--json", "--config", file)
    assert (code, json.loads(out)) == (0, {"file": str(file), "agents": 0, "problems": []})


def test_a_wrong_url_on_the_command_line_is_wrong_usage(run: Any) -> None:
    code, _, err = run("check", "--redis", f"http://u:{CANARY}@h")
    assert code == 2
    assert "--redis" in err
    assert CANARY not in err


# ---------------------------------------------------------------- show


def test_show_prints_the_settings_in_force(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("bus: {partitions: 3}\nagents: {validation: {enabled: false, lateness_s: 7}}\n")
    code, out, err = run("show", "--config", file, "--data-dir", "/somewhere", "--redis", f"redis://u:{CANARY}@h/1")
    shown = yaml.safe_load(out)
    assert code == 0
    assert shown["bus"]["partitions"] == 3
    assert shown["data_dir"] == "/somewhere"
    assert shown["redis"]["url"] == "redis://u:***@h/1"
    assert shown["agents"]["validation"]["lateness_s"] == 7
    assert shown["agents"]["validation"]["future_s"] == 300, "defaults of the agent too"
    assert shown["agents"]["validation"]["enabled"] is False
    assert str(file) in err
    assert CANARY not in out + err


def test_what_is_shown_can_be_read_again(run: Any, tmp_path: Path) -> None:
    _, out, _ = run("show", "--config", ROOT / "config" / "default.yaml")
    file = tmp_path / "x.yaml"
    file.write_text(out)
    assert run("check", "--config", file)[0] == 0
    assert yaml.safe_load(run("show", "--config", file)[1]) == yaml.safe_load(out)


ALERTING = f"""
agents:
  notification: {{}}
alerting:
  route: {{receiver: mes, routes: [{{matchers: ['severity="critical"'], receiver: duty, continue: true}}]}}
  subscribers:
    mes:
      kind: webhook
      url: https://mes.example:8443/services/{CANARY}?token={CANARY}
      secret: whsec_{b64encode(CANARY.encode() * 2).decode()}
      old_secret: whsec_{b64encode(CANARY.encode() * 3).decode()}
      authorization: Bearer {CANARY}
    bare: {{kind: webhook, url: https://mes.example}}
    duty: {{kind: pagerduty, routing_key: {CANARY}}}
    am: {{kind: alertmanager, url: https://am.example/{CANARY}, authorization: {CANARY}}}
    chat: {{kind: apprise, url: ntfys://{CANARY}/{CANARY}}}
    mail: {{kind: email, to: [a@b.example], sender: x@y.example, host: h, username: u, password: {CANARY}}}
"""


def test_no_secret_of_a_subscriber_is_shown(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(ALERTING)
    assert run("check", "--config", file)[0] == 0
    for form in ("--json", "--yaml"):
        code, out, err = run("show", form, "--config", file)
        assert code == 0
        assert CANARY not in out + err
        for word in re.findall(r"whsec_([A-Za-z0-9+/=]+)", ALERTING):
            assert word not in out
        told = yaml.safe_load(out)["alerting"]["subscribers"]
        assert told["mes"]["url"] == "https://mes.example:8443/***"
        assert told["bare"]["url"] == "https://mes.example"
        assert told["am"]["url"] == "https://am.example/***"
        assert told["mail"]["username"] == "u"


def test_routes_that_are_shown_can_be_read_again(run: Any, tmp_path: Path) -> None:
    _, out, _ = run("show", "--config", ROOT / "config" / "examples" / "alerting.yaml")
    file = tmp_path / "x.yaml"
    file.write_text(out)
    assert run("check", "--config", file)[0] == 0
    assert yaml.safe_load(run("show", "--config", file)[1]) == yaml.safe_load(out)


def test_an_incident_takes_routes_along_without_what_cannot_be_read_again(run: Any, tmp_path: Path) -> None:
    """Nor is the section hidden by the agent's own, which is empty."""
    file = tmp_path / "x.yaml"
    file.write_text(ALERTING)
    shown = yaml.safe_load(run("show", "--config", file)[1])
    _forget_secrets(shown)
    assert "secret" not in shown["alerting"]["subscribers"]["mes"]
    file.write_text(yaml.safe_dump(shown))
    assert run("check", "--config", file)[:2] == (0, f"{file}: nothing wrong; 1 agents: notification\n")


def test_no_secret_of_an_agent_is_shown(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.topology.KINDS", {"keeper": f"{__name__}:Keeper"})
    monkeypatch.setattr("agents.topology.agent_class", lambda kind: Keeper)
    file = tmp_path / "x.yaml"
    own = {"webhook": CANARY, "api_token": CANARY, "target": f"https://u:{CANARY}@h/p?sig={CANARY}"}
    file.write_text(yaml.safe_dump({"agents": {"keeper": own}, "redis": {"password": CANARY}}))
    for form in ("--json", "--yaml"):
        code, out, err = run("show", form, "--config", file)
        assert code == 0
        assert "keeper" in out
        assert "https://u:***@h/p?sig=***" in out
        assert CANARY not in out + err


def test_an_error_in_an_agent_does_not_show_its_secret(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(f"agents:\n  acquisition:\n    sources:\n      push: {{kind: http, token: [{CANARY}]}}\n")
    code, out, err = run("show", "--config", file)
    assert code == 78
    assert f"{file}:4:" in err
    assert CANARY not in out + err


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Password": "x", "other": "y"}, {"Password": "***", "other": "y"}),
        ({"api_key": ["x"]}, {"api_key": "***"}),
        ({"token": None, "secret": ""}, {"token": None, "secret": ""}),
        ([{"a": {"client_secret": "x"}}], [{"a": {"client_secret": "***"}}]),
        ("redis://:x@h/0", "redis://:***@h/0"),
        ("no url", "no url"),
        ("http://[broken", "***"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(value: Any, expected: Any) -> None:
    assert hide(value) == expected


# ---------------------------------------------------------------- schema


def test_the_committed_schemas_are_those_of_the_code(run: Any) -> None:
    assert SCHEMAS == ROOT / "config" / "schema"
    code, _, err = run("schema", "--check")
    assert (code, err) == (0, "")


def test_check_names_each_file_that_is_out_of_date_and_writes_nothing(run: Any, tmp_path: Path) -> None:
    assert run("schema", "--out", tmp_path)[0] == 0
    assert run("schema", "--check", "--out", tmp_path)[0] == 0
    old = (tmp_path / "events.json").read_text()
    (tmp_path / "events.json").write_text(old.replace("AnomalyDetected", "AnomalySeen"))
    (tmp_path / "settings.json").unlink()
    code, _, err = run("schema", "--check", "--out", tmp_path)
    assert code == 1
    assert "events.json" in err
    assert "settings.json" in err
    assert "asyncapi.json" not in err
    assert not (tmp_path / "settings.json").exists()
    run("schema", "--out", tmp_path)
    assert (tmp_path / "events.json").read_text() == old


def test_every_built_in_agent_is_in_the_schema_of_the_settings() -> None:
    document = json.loads(schemas()["settings.json"])
    agents = document["properties"]["agents"]["properties"]
    assert set(agents) == {
        "acquisition",
        "validation",
        "anomaly",
        "assets",
        "drift",
        "concept",
        "notification",
        "coordinator",
    }
    assert "lateness_s" in document["$defs"]["Validation"]["properties"]
