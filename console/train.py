"""``tocsin train [PLAN]``: detectors fitted on a past range of the log, compared, and the best one published."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import click
import yaml

from contracts.errors import ConfigError, FileRefused
from contracts.training import TrainingPlan

from .host import Host
from .instant import Instant
from .options import Loaded, common
from .output import document, say

if TYPE_CHECKING:
    from bus.protocol import Bus
    from models.training import Result

_PATH = click.Path(path_type=Path)
#: The plan that is meant where none is named.
DEFAULT = "default"


@dataclass(frozen=True)
class Asked:
    """What the command line asks for."""

    plan: str
    since: int | None
    until: int | None
    series: str | None
    detectors: tuple[str, ...]
    features: Path | None
    labels: Path | None
    publish: bool
    ask: bool
    request: str
    resume: bool

    def check(self) -> None:
        """Refuse what does not go together. Raises ConfigError."""
        changed = self.series or self.detectors or self.features or self.labels or self.since is not None
        if self.ask and (changed or not self.publish):
            raise ConfigError(["--request asks for the plan as it is configured: it goes with --to alone"])


@click.command()
@common
@click.argument("plan", default=DEFAULT)
@click.option("--from", "since", type=Instant(), help="First event time. [default: the plan's range before the last]")
@click.option("--to", "until", type=Instant(), help="Last event time. [default: the newest in the log]")
@click.option("--series", metavar="PATTERN", help="Of ASSET/CHANNEL, instead of the plan's.")
@click.option("--detector", "detectors", metavar="KIND", multiple=True, help="Instead of the plan's; may be repeated.")
@click.option("--features", type=_PATH, help="YAML or JSON file with a feature set, instead of the plan's.")
@click.option("--labels", type=_PATH, help="JSON of true alarms: ASSET/CHANNEL -> [[begin, end], ...].")
@click.option("--publish/--no-publish", default=True, help="Make the best one a version in the registry.")
@click.option("--request", "ask", is_flag=True, help="Only ask the service to train PLAN.")
@click.option("--resume", is_flag=True, help="Only record and publish what MLflow was down for.")
@click.option("--request-id", "request", default="", hidden=True, help="The request that is carried out.")
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def train(loaded: Loaded, /, as_json: bool, **asked: Any) -> None:
    """Train the detectors of PLAN on a past range of the log, compare them, and publish the best one.

    PLAN stands in the configuration, under training.plans; without one, `default`. The range is parted by event time:
    the first part is learned from, the second calibrates, and the third, which nobody learned from, compares. All of it
    is recorded in MLflow. The same plan on the same range gives the same bundle, byte for byte.
    """
    job = Asked(**asked)
    job.check()
    plan = TrainingPlan() if job.resume else _plan(loaded, job)
    with Host(loaded.settings, attach=True) as host:
        anyio.run(_go, host, loaded, job, plan, as_json, backend_options={"use_uvloop": True})


def _plan(loaded: Loaded, asked: Asked) -> TrainingPlan:
    """The plan with what the command line changes in it. Raises ConfigError."""
    plans = loaded.settings.training.plans
    if asked.plan not in plans and (asked.plan != DEFAULT or asked.ask):
        known = ", ".join(sorted(plans)) or "none"
        raise ConfigError([f"no training plan {asked.plan!r} is configured"], mend=f"Known: {known}")
    plan = plans.get(asked.plan, TrainingPlan())
    changes: dict[str, Any] = {}
    if asked.series:
        changes["series"] = asked.series
    if asked.detectors:
        changes["detectors"] = asked.detectors
    if asked.features:
        changes["features"] = _read(asked.features)
    try:
        return TrainingPlan.model_validate(plan.model_dump() | changes)
    except ValueError as error:
        raise ConfigError([f"plan {asked.plan}: {error}"]) from error


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise FileRefused(f"{path}: {error}") from error


async def _go(host: Host, loaded: Loaded, asked: Asked, plan: TrainingPlan, as_json: bool) -> None:
    from bus.history import history_of
    from bus.redis import open_bus
    from models.training import Result

    from .training.asking import ask
    from .training.job import Job

    bus = await open_bus(loaded.settings, host.url, store_file=host.store_file)
    try:
        history = history_of(loaded.settings, bus)
        if asked.ask:
            request = await ask(bus, history, asked.plan, asked.until)
            say(f"asked for: {request}. The coordinator of a running service trains; tocsin tail shows how it ends")
            return
        if asked.resume:
            results = Result.kept(loaded.settings.data_dir)
        else:
            results = [await Job(loaded.settings, history, asked, plan).result()]
        for result in results:
            await _settle(loaded, bus, result, as_json)
        if not results:
            say("nothing is waiting for MLflow")
    finally:
        await bus.close()


async def _settle(loaded: Loaded, bus: "Bus", result: "Result", as_json: bool) -> None:
    """Hand a result over to MLflow, tell the log, and show it."""
    from .training.asking import tell
    from .training.settling import settle
    from .training.showing import as_tree, show

    settled = await anyio.to_thread.run_sync(settle, loaded.settings, result)
    # Of a request the trainer tells, when it sees how its child ended.
    if settled.model_version and not result.request:
        await tell(bus, result, settled)
    if as_json:
        document(as_tree(result, settled))
    else:
        show(result, settled)
