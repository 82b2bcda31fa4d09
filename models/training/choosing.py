"""Which of several detectors is the best: one rule, which is written beside every comparison."""

from collections.abc import Mapping

#: Alarms on normal readings may be so many times as frequent as the plan aims at.
TOLERANCE = 3.0
#: With so many labelled stretches they decide; with fewer, planted faults do.
LEAST_LABELS = 5

RULE = (
    f"Of those with at most {TOLERANCE:g} times the alarms that the plan aims at: the best F1 where at least "
    f"{LEAST_LABELS} stretches are labelled, else the largest share of planted faults caught; then average precision, "
    "then fewer alarms, then the order of the plan. If all have more alarms: the one with the fewest."
)

Found = Mapping[str, Mapping[str, float]]


def best(found: Found, alarms: float) -> tuple[str, str]:
    """The label of the best detector, and why, in a few words.

    ``found``: label -> its measures, in the order of the plan; ``alarms``: per 10,000 readings, what the plan aims at.
    """
    most = alarms * TOLERANCE
    quiet = {label: each for label, each in found.items() if each["alarms_per_10000"] <= most}
    if not quiet:
        label = min(found, key=lambda name: found[name]["alarms_per_10000"])
        return label, f"all raise more than {most:g} alarms in 10,000 normal readings; this one raises the fewest"
    labelled = all(each.get("labels", 0) >= LEAST_LABELS for each in quiet.values())
    decides, words = ("f1", "the best F1") if labelled else ("caught", "the most planted faults caught")

    def rank(label: str) -> tuple[float, float, float]:
        each = quiet[label]
        return -each.get(decides, 0.0), -each.get("average_precision", 0.0), each["alarms_per_10000"]

    # min() keeps the first of equals: the order of the plan.
    return min(quiet, key=rank), f"{words} of those with at most {most:g} alarms in 10,000 normal readings"
