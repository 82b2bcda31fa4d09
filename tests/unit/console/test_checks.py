"""The parts of the doctor's checks that need no server."""

import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from agents.health.processes import servers, supervises
from console.checks import software
from console.checks.finding import Finding, exit_code, fail, ok, skip, warn
from console.checks.redis import known_hole
from console.checks.scene import Scene
from console.doctor import _guarded
from contracts.addresses import is_loopback
from contracts.settings import Settings


@pytest.mark.parametrize(
    ("product", "number", "has"),
    [
        ("Redis", (7, 0, 15), False),
        ("Redis", (7, 2, 0), True),
        ("Redis", (8, 6, 2), True),
        ("Redis", (8, 6, 3), False),
        ("Redis", (9, 0, 0), False),
        ("Valkey", (8, 1, 8), True),
        ("Valkey", (8, 1, 9), False),
        ("Valkey", (9, 1, 0), True),
        ("Valkey", (9, 1, 2), False),
        ("Valkey", (10, 0, 0), False),
    ],
)
def test_releases_with_known_holes_are_known(product: str, number: tuple[int, ...], has: bool) -> None:
    assert bool(known_hole(product, number)) == has


@pytest.mark.parametrize(
    ("host", "here"),
    [
        *(("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("localhost", True), ("LOCALHOST.", True)),
        *(("10.0.0.1", False), ("redis", False), ("localhost.example.com", False), ("", False)),
    ],
)
def test_only_addresses_that_nobody_else_reaches_are_loopback(host: str, here: bool) -> None:
    assert is_loopback(host) == here


def test_the_exit_code_names_the_most_basic_failure() -> None:
    other, gone, wrong = fail("a", "", "", ""), fail("b", "", "", "", 69), fail("c", "", "", "", 78)
    assert exit_code([ok("a", ""), skip("b", ""), warn("c", "", "", "")]) == 0
    assert exit_code([ok("a", ""), other]) == 1
    assert exit_code([other, gone]) == 69
    assert exit_code([other, gone, wrong]) == 78


@pytest.mark.parametrize(
    ("requirement", "expected"),
    [
        ("click>=8.2", ""),
        ("click>=99.1", "click is"),
        ("click>=1,<2", "click is"),
        ("pydantic<1", "pydantic is"),
        ("no-such-package-h8>=1", "no-such-package-h8 is missing"),
        ("no-such-package-h8>=1; extra == 'mqtt'", ""),
    ],
)
def test_packages_that_do_not_fit_are_named(requirement: str, expected: str) -> None:
    found = software.misfit(requirement)
    assert found.startswith(expected)
    assert bool(found) == bool(expected)


def test_an_mlflow_with_known_holes_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "installed", lambda name: "3.11.0" if name == "mlflow" else "99")
    finding = software.packages(Scene(Settings.model_construct()))
    assert finding.status == "fail"
    assert "CVE-2026-2651" in finding.cause
    monkeypatch.setattr(software, "installed", lambda name: "3.17.2" if name == "mlflow" else "99")
    assert software.packages(Scene(Settings.model_construct())).status != "fail"


@pytest.mark.parametrize(("text", "expected"), [("3.11.1rc2", (3, 11, 1)), ("9", (9,)), ("unknown", ()), ("", ())])
def test_versions_are_compared_as_numbers(text: str, expected: tuple[int, ...]) -> None:
    assert software.numbers(text) == expected


def test_a_check_that_breaks_or_hangs_is_a_finding() -> None:
    async def breaks() -> Finding:
        raise ValueError("boom")

    async def hangs() -> Finding:
        await anyio.sleep(60)
        return ok("never", "")

    broken = anyio.run(_guarded, "some_check", breaks(), 1.0)
    assert (broken.check, broken.status) == ("some-check", "fail")
    assert "ValueError: boom" in broken.cause
    hanging = anyio.run(_guarded, "slow", hangs(), 0.05)
    assert (hanging.status, hanging.exit_code) == ("fail", 69)


def test_only_servers_in_the_folder_are_found(tmp_path: Path) -> None:
    assert servers(tmp_path) == []
    process = subprocess.Popen([sys.executable, "-c", "input()"], cwd=tmp_path, stdin=subprocess.PIPE)
    try:
        assert servers(tmp_path) == [], "somebody else who works in this folder"
    finally:
        process.communicate(b"\n")


def test_whoever_holds_the_lock_supervises(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with lock.open("w"):
        assert supervises(os.getpid(), lock)
    assert not supervises(os.getpid(), lock)
    assert not supervises(2**22 + 1, lock), "no such process"
