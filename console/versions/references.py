"""Which bundles the log refers to: those that serve or served, those that findings name, and those of rollouts."""

import re
from typing import Any

from bus.protocol import Place, Recorded
from bus.scan import scan
from contracts.errors import UnreadableEvent
from contracts.events import AnyEvent, Event
from contracts.settings import Settings

#: Streams whose events name bundles, and what that makes of them. Readings are not gone through: every bundle that
#: serves, or is in a saved state, was told as loaded before.
NAMING = {
    "deployments": "a deployment",
    "models": "an agent that loaded it",
    "anomalies": "a finding",
    "changes": "a finding",
    "drift": "a finding",
    "shadow": "a rollout",
    "measures": "a rollout",
    "labels": "a label",
}
#: These tell that somebody did not take a bundle, or that it exists: no reason to keep it.
_NO_REASON = frozenset({"ModelRefused", "ModelPublished"})
_DIGEST = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def configured(settings: Settings) -> dict[str, str]:
    """The bundles that the configuration names."""
    return dict.fromkeys(_DIGEST.findall(settings.model_dump_json()), "the configuration")


async def logged(log: Recorded) -> dict[str, str]:
    """The bundles that the log refers to, in archive and stream, with what does.

    Raises UnreadableEvent when an entry cannot be read: it may name one.
    """
    out: dict[str, str] = {}
    for stream, what in NAMING.items():
        for number in range(log.partitions):
            async for found in scan(log, Place(stream, number)):
                if found.problem:
                    raise UnreadableEvent(
                        f"{stream} of partition {number}, {found.entry.first}: {found.problem}",
                        mend="It may name a bundle: nothing is removed.",
                    )
                for event in found.events:
                    out.update({digest: out.get(digest, what) for digest in named(event)})
    return out


def named(event: AnyEvent) -> set[str]:
    """The bundles that an event keeps."""
    if not isinstance(event, Event) or event.type_name() in _NO_REASON:
        return set()
    return set(_digests(event.model_dump()))


def _digests(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [digest for name, inner in value.items() if name in _FIELDS for digest in _digests(inner)]
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return [value]
    return []


#: Where a digest stands for a bundle, and not for something else.
_FIELDS = frozenset({"bundle", "previous", "candidate"})
