"""tocsin doctor: look at everything that has to work, and say what is wrong, why, and how to mend it."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread
import click

from agents.clock import Clock
from bus.redis.connecting import connect
from bus.redis.opening import infos
from contracts.errors import TocsinError
from contracts.settings import Settings, masked

from .checks import (
    clock,
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
from .checks.access import acl
from .checks.configuration import Examined, configuration, examine
from .checks.finding import UNAVAILABLE, Finding, exit_code, fail, ok, skip
from .checks.scene import Limits, Scene
from .options import Choices, choices, json_option
from .output import document, say, tables

T = TypeVar("T")
REDIS = "redis"
#: Where the page about troubles says what to do then.
BROKEN = "A check that hangs or breaks"
USUAL, REAL = Limits(), Clock()


@click.command()
@choices
@json_option
@click.option("--quick", is_flag=True, help="Only what an agent cannot work without; a second at most.")
def doctor(said: Choices, as_json: bool, quick: bool) -> int:
    """Find out what is wrong, and how to mend it.

    Exit code 0 when nothing failed, 69 when something is not available, 78 for the configuration, else 1.
    """
    findings = anyio.run(examination, said, quick)
    if as_json:
        document([finding.record() for finding in findings])
    else:
        _show(findings)
    return exit_code(findings)


async def examination(said: Choices, quick: bool = False, limits: Limits = USUAL, now: Clock = REAL) -> list[Finding]:
    """Everything that there is to find; never raises."""
    examined = examine(said, agents=not quick)
    scene = Scene(_settings(said, examined), examined.topology, quick, limits, now)
    findings = [configuration(examined)]
    findings += await _local(scene, readable=examined.loaded is not None or said.data_dir is not None)
    if examined.loaded is None and said.redis is None:
        return [*findings, skip(REDIS, "not looked at: the configuration does not say where it is")]
    answers = any(finding.check == tracking.CHECK and finding.status == "ok" for finding in findings)
    return findings + await _redis(scene, mlflow=answers)


def _settings(said: Choices, examined: Examined) -> Settings:
    """The settings; where they cannot be read, the defaults with what the command line said."""
    if examined.loaded is not None:
        return examined.loaded.settings
    defaults = Settings.model_construct()
    changes: dict[str, object] = {}
    if said.data_dir is not None:
        changes["data_dir"] = said.data_dir
    if said.redis is not None:
        changes["redis"] = defaults.redis.model_copy(update={"url": said.redis})
    if said.mlflow is not None:
        changes["mlflow"] = defaults.mlflow.model_copy(update={"uri": said.mlflow})
    return defaults.model_copy(update=changes)


# ---------------------------------------------------------------- running the checks


async def _local(scene: Scene, *, readable: bool) -> list[Finding]:
    """What can be seen without a server; a disk that hangs must not hang us."""
    everywhere: list[Callable[[Scene], Finding]] = [software.python, software.packages, clock.clock]
    in_data_dir = [folder.data_dir, folder.permissions, folder.disk, retention.archive, telling.secrets]
    in_data_dir += [endings.tokens, endings.certificates, embedded.embedded_server, embedded.orphans]
    # What runs can only be compared with a configuration that can be read.
    in_data_dir += [] if scene.quick or scene.topology is None else [service.running, service.listening]

    async def in_thread(check: Callable[[Scene], T]) -> T:
        return await anyio.to_thread.run_sync(check, scene, abandon_on_cancel=True)

    chosen = [*everywhere, *(in_data_dir if readable else ()), tracking.mlflow]
    found = [await _guarded(check.__name__, in_thread(check), scene.limits.timeout_s) for check in chosen]
    if scene.quick or not readable:
        return found
    works = found[-1].status != "fail"
    for check in (recording.version, recording.artifacts) if found[-1].status == "ok" else ():
        name = f"mlflow.{check.__name__}"
        found.append(await _guarded(name, in_thread(check), scene.limits.timeout_s))
    trainings = partial(health.trainings, mlflow=works)
    found += await _each("trainings", in_thread(trainings), scene.limits.timeout_s)
    return [*found, *await _each("growth", in_thread(health.growth), scene.limits.timeout_s)]


async def _redis(scene: Scene, *, mlflow: bool) -> list[Finding]:
    """What the server says, if there is one; ``mlflow``: that answers, too."""
    url = embedded.url(scene)
    if not url:
        return [skip(REDIS, "the embedded server does not run")]
    settings, limit = scene.settings.redis, scene.limits.timeout_s
    try:
        server = connect(url, settings, timeout_s=min(settings.timeout_s, limit))
    except (ValueError, TocsinError) as error:
        return [fail(REDIS, f"{masked(url)} cannot be used", str(error), "Correct redis.url", UNAVAILABLE)]
    try:
        said = await infos(server)
    except TocsinError as error:
        await server.close()
        return [fail(REDIS, f"{masked(url)} does not serve us", str(error.args[0]), _mend(error), UNAVAILABLE)]
    probe = redis.Probe(scene, server, url, said)
    limit += scene.limits.patience_s
    chosen = {f"redis.{check.__name__}": check for check in (*redis.CHECKS, acl, endings.certificate)}
    if not scene.quick:
        chosen.update({f"log.{check.__name__}": check for check in log.CHECKS})
    try:
        found = [await _guarded(name, check(probe), limit) for name, check in chosen.items()]
        for more in (
            () if scene.quick else (*health.CHECKS, telling.telling, *((recording.registry,) if mlflow else ()))
        ):
            found += await _each(more.__name__, more(probe), limit)
    finally:
        await server.close()
    return [ok(REDIS, f"{masked(url)} answers"), *found]


def _mend(error: TocsinError) -> str:
    # The library gives a refused login the class of a lost connection.
    if any(words in str(error) for words in ("Authentication required", "username-password")):
        return "Correct redis.username and the password: TOCSIN_REDIS__PASSWORD_FILE names a file with it"
    if "certificate has expired" in str(error):
        return "Renew the server's certificate, and have the server read it: CONFIG SET tls-cert-file PATH"
    return error.mend or "Start the server, or correct redis.url"


async def _guarded(name: str, answer: Awaitable[Finding], timeout_s: float) -> Finding:
    """The finding of a check; a check that is slow or breaks is a finding of its own."""

    async def alone() -> list[Finding]:
        return [await answer]

    return (await _each(name, alone(), timeout_s))[0]


async def _each(name: str, answer: Awaitable[list[Finding]], timeout_s: float) -> list[Finding]:
    """As ``_guarded`` for a look that answers several questions at once."""
    try:
        with anyio.fail_after(timeout_s):
            return await answer
    except TimeoutError:
        found, cause = f"no answer in {timeout_s:.0f} s", "What it looks at hangs: a disk, a network, or a server"
        mend = "See dmesg and the server's log"
        return [Finding(name.replace("_", "-"), "fail", found, cause, mend, UNAVAILABLE, see=BROKEN)]
    except Exception as error:  # noqa: BLE001 - the doctor must tell all the rest
        cause = f"{type(error).__name__}: {str(error)[:300]}"
        mend = "Report this with the output of tocsin doctor --json"
        return [Finding(name.replace("_", "-"), "fail", "the check itself failed", cause, mend, see=BROKEN)]


# ---------------------------------------------------------------- for people

_STYLE = {"ok": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}


def _show(findings: Sequence[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 1))
    for finding in findings:
        told = Text(finding.found)
        if finding.cause:
            told.append(f"\n{finding.cause}", style="dim")
        if finding.mend:
            told.append(f"\n→ {finding.mend}")
        table.add_row(Text(finding.status, style=_STYLE[finding.status]), Text(finding.check), told)
    tables().print(table)
    failed = sum(finding.status == "fail" for finding in findings)
    warned = sum(finding.status == "warn" for finding in findings)
    say(f"{failed} failed, {warned} to be looked at, {len(findings)} checks")
