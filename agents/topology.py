"""From the configuration to the parts that run, with everything that does not fit reported at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from contracts.errors import ConfigError
from contracts.events import EVENTS, AnyEvent, DriftAcknowledged, ModelServed, ReadingsAcquired
from contracts.settings import AgentSettings, Settings, problems
from contracts.yamlfile import YamlFile

from .parts import Context, Part, Processor, Recorder, Sink, Source
from .runtime.sources.backpressure import Reader

#: Built-in agents; imported only when the configuration names them.
KINDS = {
    "acquisition": "agents.acquisition:Acquisition",
    "validation": "agents.validation:Validation",
    "anomaly": "agents.anomaly:Anomaly",
    "assets": "agents.anomaly:Assets",
    "drift": "agents.drift:Drift",
    "concept": "agents.concept:Concept",
    "notification": "agents.notification:Notification",
    "coordinator": "agents.coordinator:Coordinator",
}
#: Sections of the settings that an agent with a field of this name is given.
_SECTIONS = frozenset({"alerting", "health", "mlflow", "training"})


@dataclass(frozen=True)
class Placed:
    """A part with the agent that it belongs to and the name that its tasks carry."""

    agent: str
    name: str
    part: Part


#: That models change in a stream, or drifts are acknowledged, is no reason to read it where nobody writes the rest.
_ASIDE: set[type[AnyEvent]] = {ModelServed, DriftAcknowledged}


@dataclass(frozen=True)
class Topology:
    """All parts of the configuration; a process may run some of them."""

    placed: Sequence[Placed]
    partitions: int = 1

    @classmethod
    def of(cls, settings: Settings, file: YamlFile, only: Sequence[str] = ()) -> "Topology":
        """Build every enabled agent; ``only`` some of them are going to run here.

        Raises ConfigError with all problems: unknown kinds, wrong settings, inputs that nobody writes.
        """
        found: list[Placed] = []
        wrong: list[str] = []
        for name, agent in settings.agents.items():
            if not agent.enabled:
                continue
            try:
                part = _built(name, agent, settings)
            except ValidationError as error:
                wrong += problems(error, file, ("agents", name))
            except ConfigError as error:
                wrong += [f"{file.place(('agents', name))}: {text}" for text in error.problems]
            else:
                found += _named(name, part)
        wrong += _misrouted(settings, file)
        topology = cls(found, settings.bus.partitions)
        if not wrong:
            unfed = [(item, text) for item, text in topology.unfed() if not only or item.agent in only]
            wrong = [f"{file.place(('agents', item.agent))}: {text}" for item, text in unfed]
        if wrong:
            raise ConfigError(wrong)
        return topology

    def writers(self) -> dict[type[AnyEvent], list[str]]:
        """Who writes each type of event. The runtime itself writes the operational ones."""
        out: dict[type[AnyEvent], list[str]] = {kind: ["runtime"] for kind in EVENTS.values() if kind.operational}
        for item in self.placed:
            kinds = (ReadingsAcquired,) if isinstance(item.part, Source) else item.part.writes()
            for kind in kinds:
                out.setdefault(kind, []).append(item.name)
        return out

    def inputs(self, part: Part) -> list[str]:
        """The streams that a part reads and somebody writes."""
        written = self.writers().keys() - _ASIDE
        return sorted({kind.stream for kind in part.reads() if kind in written})

    def unfed(self) -> Iterator[tuple[Placed, str]]:
        """Parts that read something and are given nothing."""
        for item in self.placed:
            reads = item.part.reads()
            if reads and not self.inputs(item.part):
                names = " or ".join(kind.__name__ for kind in reads if kind not in _ASIDE)
                yield item, f"agents.{item.agent}: {item.name} reads {names}, which no enabled agent writes"

    def tasks(self) -> list[str]:
        """The names of all tasks that keep a position, upstream first as configured."""
        return [
            f"{item.name}<{stream}"
            for item in self.placed
            if isinstance(item.part, Processor | Recorder)
            for stream in self.inputs(item.part)
        ]

    def readers(self, stream: str) -> list[str]:
        """The tasks that keep a position in a stream."""
        return [task for task in self.tasks() if task.endswith(f"<{stream}")]

    def known(self) -> set[str]:
        """The readers of the log that are configured: tasks, and the groups of sinks as ``group <name>``."""
        return {*self.tasks(), *(f"group {item.name}" for item in self.placed if isinstance(item.part, Sink))}

    def followers(self, stream: str) -> list[Reader]:
        """Who reads a stream, or what follows from it: all that sources have to wait for when they are too fast.

        Recorders are left out: what they write to may be away for days, and nothing waits for that.
        """
        found: list[Reader] = []
        reached = [stream]
        for name in reached:
            for item in self.placed:
                if name not in self.inputs(item.part) or isinstance(item.part, Recorder):
                    continue
                sink = isinstance(item.part, Sink)
                found.append(Reader(item.name if sink else f"{item.name}<{name}", name, sink))
                reached += [kind.stream for kind in item.part.writes() if kind.stream not in reached]
        return found

    def only(self, agents: Sequence[str]) -> list[Placed]:
        """The parts of some agents; of all when none is named.

        Raises ConfigError for an agent that is not configured.
        """
        known = {item.agent for item in self.placed}
        if unknown := [name for name in agents if name not in known]:
            raise ConfigError(
                [f"no agent {name!r} is configured" for name in unknown],
                mend=f"Known: {', '.join(sorted(known))}",
            )
        return [item for item in self.placed if not agents or item.agent in agents]

    @property
    def endless(self) -> tuple[str, ...]:
        """The sources that go on for ever."""
        return tuple(item.name for item in self.placed if isinstance(item.part, Source) and item.part.endless)

    def prepare(self, placed: Sequence[Placed], context: Context) -> None:
        """Let parts load what they need."""
        context = replace(context, endless=self.endless, partitions=self.partitions, tasks=tuple(self.tasks()))
        for item in placed:
            item.part.prepare(replace(context, agent=item.agent))


def _named(agent: str, part: Part) -> list[Placed]:
    return [
        Placed(agent, name if isinstance(inner, Source) or name == agent else f"{agent}.{name}", inner)
        for name, inner in part.parts(agent).items()
    ]


def agent_class(kind: str) -> type[Part]:
    """The class of an agent kind.

    Raises ConfigError when there is none.
    """
    path = KINDS.get(kind, kind)
    module, _, name = path.partition(":")
    if not name:
        raise ConfigError([f"no agent kind {kind!r}: known are {', '.join(KINDS)}, or module:Class"])
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigError([f"agent kind {kind!r} cannot be loaded: {error}"]) from error
    if not (isinstance(found, type) and issubclass(found, Part)):
        raise ConfigError([f"agent kind {kind!r} is not a Part"])
    return found


def _misrouted(settings: Settings, file: YamlFile) -> list[str]:
    """What is wrong with the routes of alerts, each with file and line."""
    if not settings.alerting.on:
        return []
    from .notification.delivery.checking import problem
    from .notification.routing.routing import Routing

    told = settings.alerting.subscribers.items()
    wrong = [f"alerting.subscribers.{name}.{text}" for name, one in told if (text := problem(one))]
    try:
        Routing.of(settings.alerting, settings.data_dir)
    except ConfigError as error:
        wrong += error.problems
    return [f"{file.place(_steps(text.partition(': ')[0]))}: {text}" for text in wrong]


def _steps(path: str) -> tuple[str, ...]:
    """``a.b[0].c`` as the names that lead there."""
    return tuple(path.replace("[", ".").replace("]", "").split("."))


def _built(name: str, agent: AgentSettings, settings: Settings) -> Part:
    kind = agent_class(agent.kind or name)
    own: dict[str, Any] = agent.own
    for section in _SECTIONS & kind.model_fields.keys():
        if own.get(section) is None:
            own[section] = getattr(settings, section)
    return kind.model_validate(own)
