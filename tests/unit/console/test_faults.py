"""Every finding leads to an entry of the page about troubles, and every fault on that page is planted by a test."""

import re
from pathlib import Path

import pytest

from agents.health.finding import Health, broken, ill, skipped, well
from console.checks import access
from console.checks.finding import PAGE, anchor, finding_of, warn
from console.doctor import BROKEN
from tests.integration.faults import FAULTS
from tests.unit.test_docs import CHECKS, anchors, headings

ROOT = Path(__file__).parents[3]
TROUBLE = ROOT / PAGE
TEXT = TROUBLE.read_text()
#: No entries themselves.
TITLES = {"troubleshooting", "what-the-doctor-finds", "faults-that-are-tried"}


def entries() -> dict[str, set[str]]:
    """Anchor of each entry -> the entries that it links to, and those of its section.

    Checks are reached by their findings alone, not as parts of the section that they stand in.
    """
    found: dict[str, set[str]] = {}
    above: dict[int, str] = {}
    for line in TEXT.splitlines():
        if match := re.match(r"(#+) (.+)", line):
            depth, at = len(match[1]), anchor(match[2])
            found.setdefault(at, set())
            if above.get(depth - 1, "troubleshooting") not in TITLES:
                found[above[depth - 1]].add(at)
            above = {level: name for level, name in above.items() if level < depth} | {depth: at}
        elif above:
            found[above[max(above)]] |= set(re.findall(r"\]\(#([\w-]+)\)", line))
    return found


def reached(starts: set[str]) -> set[str]:
    links, seen, todo = entries(), set[str](), list(starts)
    while todo:
        at = todo.pop()
        if at not in seen:
            seen.add(at)
            todo += links[at]
    return seen


def test_every_check_leads_to_an_entry() -> None:
    assert {anchor(check) for check in CHECKS} | {anchor(BROKEN)} <= anchors(TROUBLE)
    assert warn("redis.acl", "", "", "").record()["see"] == "docs/troubleshooting.md#redisacl"


def test_every_entry_is_reached_from_a_finding() -> None:
    every = {anchor(heading) for heading in headings(TROUBLE)} - TITLES
    assert sorted(every - reached({anchor(check) for check in CHECKS} | {anchor(BROKEN)})) == []


def test_an_entry_without_a_way_to_it_would_be_noticed() -> None:
    assert reached({"packages"}) == {"packages"}
    assert "configuration-errors" in reached({"config"})


def test_the_page_lists_the_faults_that_are_planted() -> None:
    rows = re.findall(r"^\| ([^|]+) \| \[([\w.-]+)\]\(#[\w-]+\) \| (warn|fail) \|$", TEXT, re.MULTILINE)
    assert rows == [(name, fault.check, fault.status) for name, fault in FAULTS.items()]
    assert len(rows) >= 30


def test_every_fault_is_planted_by_a_test() -> None:
    tests = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    planted = "\n".join(path.read_text() for path in tests if "faults import" in path.read_text())
    assert [name for name in FAULTS if f'"{name}"' not in planted] == []


@pytest.mark.parametrize(
    ("health", "status", "code"),
    [
        (well("c", "f"), "ok", 1),
        (skipped("c", "f"), "skip", 1),
        (ill("c", "f", "d", "m"), "warn", 1),
        (broken("c", "f", "d", "m"), "fail", 69),
    ],
)
def test_what_a_service_looks_at_all_the_time_is_the_same_finding(health: Health, status: str, code: int) -> None:
    found = finding_of(health)
    assert (found.check, found.status, found.exit_code) == ("c", status, code)
    assert (found.found, found.cause, found.mend) == ("f", health.due_to, health.mend)


def test_the_rights_that_are_asked_for_are_all_that_the_scripts_use() -> None:
    asked = {command.split()[0] for command in access.COMMANDS}
    folder = ROOT / "bus" / "redis"
    sources = "\n".join(path.read_text() for path in [*folder.glob("*.lua"), *folder.glob("scripts/*.lua")])
    used = set(re.findall(r"redis\.p?call\('([A-Z]+)'", sources))
    assert len(used) > 10
    assert sorted(used - asked) == []
