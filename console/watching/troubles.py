"""What is open: alerts, or where nobody follows alerts the anomalies themselves."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agents.notification.alerts.alert import RANK, Alert, pair
from contracts.events import AlertChanged, AnomalyCleared, AnomalyDetected, Severity


@dataclass(frozen=True, slots=True)
class Trouble:
    """One that is open; without ``channels`` it is about the asset as a whole."""

    asset: str
    channels: frozenset[str]
    severity: Severity
    silenced: bool = False


class Troubles:
    """By id, and by asset."""

    def __init__(self) -> None:
        self._all: dict[str, Trouble] = {}
        self._of_asset: dict[str, dict[str, Trouble]] = {}
        #: Where nobody follows alerts: the finding that stands for an asset, channel and detector.
        self._findings: dict[tuple[str, str, str], str] = {}

    def alert(self, alert: AlertChanged | Alert) -> str:
        """Take in an alert as it is now; returns its asset."""
        name = alert.alert if isinstance(alert, AlertChanged) else alert.id
        self.end(name)
        if alert.state != "resolved":
            named = alert.contributions if isinstance(alert, AlertChanged) else alert.about[3]
            channels = _channels(alert.channel, named)
            self._put(name, Trouble(alert.asset, channels, alert.severity, alert.silenced))
        return alert.asset

    def found(self, event: AnomalyDetected) -> None:
        """An anomaly; a former one of the same detector on the same series is the same trouble."""
        key = event.asset, event.channel, event.detector
        self.end(self._findings.get(key, ""))
        self._findings[key] = event.id
        self._put(event.id, Trouble(event.asset, _channels(event.channel, event.contributions), event.severity))

    def cleared(self, event: AnomalyCleared) -> None:
        """It is over."""
        self.end(event.cause)

    def end(self, name: str) -> None:
        """Nothing of this id is open."""
        trouble = self._all.pop(name, None)
        if trouble is not None:
            others = self._of_asset[trouble.asset]
            del others[name]
            if not others:
                del self._of_asset[trouble.asset]

    def _put(self, name: str, trouble: Trouble) -> None:
        self._all[name] = trouble
        self._of_asset.setdefault(trouble.asset, {})[name] = trouble

    def of(self, asset: str, channels: Sequence[str]) -> list[tuple[int, str, bool]]:
        """For each channel of an asset: how many, the worst that is not silenced (or empty), whether all are silenced.

        What is about the asset as a whole is about each channel.
        """
        own = self._of_asset.get(asset)
        if own is None:
            return [(0, "", False)] * len(channels)
        found: dict[str, list[Trouble]] = {channel: [] for channel in channels}
        for trouble in own.values():
            for channel in (trouble.channels & found.keys()) or channels:
                found[channel].append(trouble)
        return [_summed(found[channel]) for channel in channels]

    def counts(self) -> dict[str, int]:
        """How many are open, by severity; and how many of all are silenced."""
        found = {"critical": 0, "warning": 0, "info": 0, "silenced": 0}
        for trouble in self._all.values():
            found["silenced" if trouble.silenced else trouble.severity] += 1
        return found


def _summed(troubles: Sequence[Trouble]) -> tuple[int, str, bool]:
    loud = [trouble.severity for trouble in troubles if not trouble.silenced]
    return len(troubles), max(loud, key=RANK.__getitem__, default=""), bool(troubles) and not loud


def _channels(channel: str, contributions: Iterable[str]) -> frozenset[str]:
    """The channels of an asset that a finding is about: its own, both of a pair, or those that contribute."""
    return frozenset(parts(channel) if channel else contributions)


def parts(channel: str) -> tuple[str, ...]:
    """The channel, or both of a pair."""
    return pair(channel) or (channel,)
