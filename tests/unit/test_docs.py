"""README and docs say what the code does: paths, links, commands, options, settings, names of checks, the example."""

import importlib.util
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import numpy as np
import pytest

from agents.parts import Context, Processor
from agents.replay.rerun import Rerun
from agents.runtime.home import outputs
from agents.topology import Topology
from bus.memory import MemoryBus
from bus.protocol import Commit, Place
from bus.redis.refusals import TRANSIENT
from bus.scan import scan
from console.checks import (
    access,
    clock,
    configuration,
    embedded,
    endings,
    folder,
    health,
    log,
    recording,
    redis,
    retention,
    service,
    software,
    telling,
    tracking,
)
from console.checks.configuration import examine
from console.cli import cli
from console.options import Choices
from contracts import errors
from contracts.events import NotificationDue, ReadingsAcquired
from contracts.identity import partition_of
from contracts.readings import Readings, Series
from contracts.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(ROOT.glob("docs/**/*.md"))
TROUBLE = ROOT / "docs" / "troubleshooting.md"
AGENT_PAGE = ROOT / "docs" / "writing-an-agent.md"

#: Files that the example tells to write.
TO_BE_WRITTEN = {"agents/over.py", "tests/unit/test_over.py"}
FOLDERS = ("contracts", "bus", "models", "agents", "console", "config", "tests", "docs", "docker", "bench")
#: Options of other programs that the pages name.
FOREIGN = {"--allowed-hosts", "--artifacts-destination"}
#: Sections whose settings have names of the user's own in them.
FREE = {"agents", "alerting"}
#: Variables that are not settings.
OTHER_VARIABLES = {"TOCSIN_DATA", "TOCSIN_BENCH", "TOCSIN_CONFIG_FILE", "TOCSIN_PICTURES"}
SECONDS = 1_000_000_000

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def spans(page: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", prose(page))


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings(page)}


# ---------------------------------------------------------------- links and paths


def broken_links(page: Path) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    assert list(broken_links(page)) == []


def test_a_broken_link_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Here it is\n[a](gone.md) [b](page.md#there) [c](#here-it-is) [d](https://example.com)\n")
    assert list(broken_links(page)) == ["gone.md", "page.md#there"]


@every_page
def test_named_files_exist(page: Path) -> None:
    named = {text for text in spans(page) if re.fullmatch(rf"(?:{'|'.join(FOLDERS)})/[\w./-]+", text)}
    assert [name for name in sorted(named - TO_BE_WRITTEN) if not (ROOT / name).exists()] == []


@every_page
def test_no_page_names_somebodys_own_folders(page: Path) -> None:
    assert re.findall(r"(?<![\w.])/(?:work|root|home|Users)/\S*", page.read_text()) == []


def test_the_index_of_decisions_is_complete() -> None:
    folder_of = ROOT / "docs" / "decisions"
    listed = set(re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", (folder_of / "README.md").read_text()))
    assert listed == {path.name for path in folder_of.glob("[0-9]*.md")}


def test_the_picture_shows_a_run_and_what_led_to_an_alert() -> None:
    picture = ET.parse(ROOT / "docs" / "run.svg").getroot()  # noqa: S314 - our own file
    text = "".join(picture.itertext()).replace("\xa0", " ")
    for expected in ("$ tocsin run", "AnomalyDetected", "$ tocsin lineage", "raw readings", "MLflow run"):
        assert expected in text


# ---------------------------------------------------------------- commands and options


def commands(page: Path) -> list[str]:
    """Everything that follows ``tocsin`` where a page shows a command."""
    shown = [line.partition(" #")[0] for block in blocks(page, "") for line in block.splitlines()]
    return [found for text in shown + spans(page) for found in re.findall(r"(?:^|[\s(])tocsin ([a-z-].*)", text)]


def options_of(command: click.Command) -> set[str]:
    return {option for each in command.params for option in (*each.opts, *each.secondary_opts)}


def wrong_with(command: str) -> str:
    """What the click tree says against a command line; empty when it knows all of it."""
    at: click.Command = cli
    context = click.Context(cli)
    words = command.split()
    while isinstance(at, click.Group) and words and not words[0].startswith("-"):
        found = at.get_command(context, words.pop(0))
        if found is None:
            return f"no such command: {command}"
        at = found
    known = options_of(at) | {"--help", "-h"}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in known]
    return f"{command}: no such option: {', '.join(unknown)}" if unknown else ""


@every_page
def test_commands_and_their_options_exist(page: Path) -> None:
    assert [text for text in map(wrong_with, commands(page)) if text] == []


def test_commands_are_found_in_readme_and_wrong_ones_would_be_noticed() -> None:
    assert len(commands(ROOT / "README.md")) >= 10
    assert wrong_with("fly --fast")
    assert wrong_with("config check --fast")
    assert not wrong_with("config check --json")


@every_page
def test_options_that_stand_alone_exist(page: Path) -> None:
    context = click.Context(cli)
    known = {"--help"} | FOREIGN
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        inner = [command]
        if isinstance(command, click.Group):
            inner = [each for one in command.list_commands(context) if (each := command.get_command(context, one))]
        known |= {option for each in inner for option in options_of(each)}
    alone = {text.split()[0] for text in spans(page) if text.startswith("--")}
    assert sorted(alone - known) == []


@every_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z.$()A-Z]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)) | {".venv"}
    shown = [line for block in blocks(page, "") for line in block.splitlines()] + spans(page)
    named = {match.group(1) for text in shown if (match := re.match(r"make ([a-z.-]+)", text))}
    assert sorted(named - targets) == []


# ---------------------------------------------------------------- settings


def test_configurations_on_the_pages_pass_config_check(tmp_path: Path, agent: ModuleType) -> None:
    texts = [text for page in PAGES for text in blocks(page, "yaml")]
    assert len(texts) >= 2
    for text in texts:
        path = tmp_path / "tocsin.yaml"
        path.write_text(text)
        assert examine(Choices(config=path)).problems == []


def _sections() -> dict[str, set[str]]:
    defaults = Settings.model_construct()
    return {
        name: set(type(getattr(defaults, name)).model_fields)
        for name in (
            "redis",
            "mlflow",
            "models",
            "log",
            "bus",
            "archive",
            "metrics",
            "tracing",
            "api",
            "health",
            "training",
        )
    }


@every_page
def test_named_settings_exist(page: Path) -> None:
    sections = _sections()
    pattern = rf"({'|'.join(sections)})\.([a-z_]+)(?:: \S+)?(?<!redis\.conf)"
    named = {match.groups() for text in spans(page) if (match := re.fullmatch(pattern, text))}
    assert [f"{section}.{name}" for section, name in sorted(named) if name not in sections[section]] == []


@every_page
def test_named_variables_exist(page: Path) -> None:
    sections = _sections()
    wrong = []
    for name in set(re.findall(r"\bTOCSIN_[A-Z_]*[A-Z]", page.read_text())) - OTHER_VARIABLES:
        section, _, setting = name.removeprefix("TOCSIN_").lower().partition("__")
        if setting.removesuffix("_file") not in sections.get(section, set()) and section not in FREE:
            wrong.append(name)
    assert wrong == []


# ---------------------------------------------------------------- troubleshooting


def _all_below(kind: type[errors.TocsinError]) -> Iterator[type[errors.TocsinError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _all_below(child)


@pytest.mark.parametrize("kind", list(_all_below(errors.TocsinError)), ids=lambda kind: kind.__name__)
def test_every_error_stands_beside_its_exit_code(kind: type[errors.TocsinError]) -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", TROUBLE.read_text(), re.MULTILINE)
    assert [int(code) for code, named in rows if f"`{kind.__name__}`" in named] == [kind.exit_code]


CHECKS = {configuration.CHECK, software.PYTHON, software.PACKAGES, clock.CHECK, tracking.CHECK, "redis"}
CHECKS |= {folder.DATA_DIR, folder.PERMISSIONS, folder.DISK, retention.CHECK, embedded.SERVER, embedded.ORPHANS}
CHECKS |= {recording.VERSION, recording.ARTIFACTS, recording.REGISTRY, service.RUNNING, service.LISTENING}
CHECKS |= {endings.TOKENS, endings.CERTIFICATES, endings.SERVED, access.CHECK}
CHECKS |= {f"redis.{check.__name__}" for check in redis.CHECKS}
CHECKS |= {f"log.{check.__name__}".replace("_", "-") for check in log.CHECKS}
CHECKS |= {*health.NAMES, *telling.NAMES}


def test_every_check_of_the_doctor_has_a_heading() -> None:
    assert sorted(CHECKS - set(headings(TROUBLE))) == []


def test_every_word_of_the_server_is_explained() -> None:
    explained = set(re.findall(r"^\| `([A-Z]+)` \|", TROUBLE.read_text(), re.MULTILINE))
    assert explained == set(TRANSIENT)


# ---------------------------------------------------------------- the example agent


def loaded(name: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example of the page, as if it stood in the tree."""
    path = tmp_path / "over.py"
    path.write_text(blocks(AGENT_PAGE, "python")[0])
    return loaded("agents.over", path, monkeypatch)


def test_the_tests_on_the_page_pass(agent: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "test_over.py"
    path.write_text(blocks(AGENT_PAGE, "python")[1])
    module = loaded("over_tests", path, monkeypatch)
    tests = [getattr(module, name) for name in dir(module) if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()


@pytest.mark.parametrize("batch_size", [1, 4, 9])
async def test_the_example_works_in_the_service(agent: ModuleType, tmp_path: Path, batch_size: int) -> None:
    """With the configuration of the page: readings in, through validation, notifications out."""
    config = tmp_path / "over.yaml"
    config.write_text(blocks(AGENT_PAGE, "yaml")[0])
    found = Choices(config=config).load()
    topology = Topology.of(found.settings, found.file)
    processors = [item for item in topology.placed if isinstance(item.part, Processor)]
    topology.prepare(processors, Context("", tmp_path, live=False))
    recorded = MemoryBus(found.settings.bus.partitions)
    partition = partition_of("pump-1", recorded.partitions)
    values = np.array([1.0, 9.0, 9.1, 9.2, 9.3, 1.0, 9.0, 9.1, 9.2])
    n = len(values)
    series = [Series("push", "pump-1", "pressure")]
    readings = Readings.of(series, np.zeros(n, np.int32), np.arange(n) * SECONDS, values, np.arange(1, n + 1))
    at = ""
    for part in readings.cut(batch_size):
        written = outputs([ReadingsAcquired(part)], "acquisition")
        position = str(int(part.position[-1]))
        await recorded.commit(Commit(partition, "source:push", 1, at, position, written))
        at = position
    sandbox = Rerun(topology, recorded.partitions)
    await sandbox.feed(recorded, partition, n, lambda count: None)
    told = [event async for each in scan(sandbox.bus, Place("notifications", partition)) for event in each.events]
    assert [event.time // SECONDS for event in told if isinstance(event, NotificationDue)] == [3, 8]
    assert len(told) == 2
