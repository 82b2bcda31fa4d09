"""What a comparison came to, in words."""

from collections.abc import Mapping
from typing import Any

#: What a replay prints -> what became of the event.
FATES = {"missing": "vanishes", "extra": "appears", "moved": "moves", "changed": "changes"}
_VERBS = {"missing": ("vanishes", "vanish"), "extra": ("appears", "appear"), "moved": ("moves", "move"),
          "changed": ("changes", "change")}  # fmt: skip
_NOUNS = {
    "AnomalyDetected": ("anomaly", "anomalies"),
    "DriftDetected": ("drift", "drifts"),
    "DataQualityIncident": ("data incident", "data incidents"),
    "AlertChanged": ("change of an alert", "changes of alerts"),
}
_OTHER = ("other event", "other events")


def verdict(result: Mapping[str, Any]) -> str:
    """``identical, byte for byte: 12,345 events``, or ``3 anomalies vanish, 5 appear, 2 move; 1 drift vanishes``."""
    if not result["recorded"] and not result["now"]:
        return "nothing was said of that time, and nothing is"
    if result["identical"]:
        return f"identical, byte for byte: {result['recorded']:,} events"
    if not result["differences"]:
        return f"the same {result['recorded']:,} events in another order"
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for name, of_type in result["types"].items():
        noun = counts.setdefault(_NOUNS.get(name, _OTHER), dict.fromkeys(FATES, 0))
        for word in FATES:
            noun[word] += of_type.get(word, 0)
    order = [*_NOUNS.values(), _OTHER]
    return "; ".join(_clause(noun, counts[noun]) for noun in order if noun in counts)


def _clause(noun: tuple[str, str], counts: Mapping[str, int]) -> str:
    parts: list[str] = []
    for word, verbs in _VERBS.items():
        if count := counts[word]:
            name = f"{noun[count != 1]} " if not parts else ""
            parts.append(f"{count:,} {name}{verbs[count != 1]}")
    return ", ".join(parts)
