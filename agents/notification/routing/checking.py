"""Whether all that routes name is there, once, and makes sense."""

from collections.abc import Iterator

from contracts.alerting import AlertingSettings
from contracts.routes import Receiver, Route

from .matching import is_label, parse_all


def check_names(alerting: AlertingSettings, problems: list[str]) -> None:
    """Add to ``problems`` every name that nothing has, or that two have, and steps in no order."""
    people = set(alerting.subscribers) | set(alerting.schedules)
    receivers = people | set(alerting.receivers)
    intervals = {interval.name for interval in alerting.time_intervals}
    problems.extend(
        f"schedules.{name}: a subscriber has this name, too"
        for name in alerting.schedules
        if name in alerting.subscribers
    )
    problems.extend(
        f"receivers.{name}: a subscriber or schedule has this name, and is a receiver by itself"
        for name in alerting.receivers
        if name in people
    )
    for name, schedule in alerting.schedules.items():
        problems.extend(
            f"schedules.{name}.subscribers: there is no subscriber {one!r}"
            for one in schedule.subscribers
            if one not in alerting.subscribers
        )
    for name, receiver in alerting.receivers.items():
        problems.extend(f"receivers.{name}.{problem}" for problem in _of_steps(receiver, people))
    problems.extend(f"labels: {name!r} is no label" for name in alerting.labels if not is_label(name))
    for name, subscriber in alerting.subscribers.items():
        try:
            parse_all(subscriber.matchers)
        except ValueError as error:
            problems.append(f"subscribers.{name}.matchers: {error}")
    if alerting.route is not None:
        problems.extend(_of_route(alerting.route, "route", receivers, intervals))


def _of_steps(receiver: Receiver, people: set[str]) -> Iterator[str]:
    before = 0.0
    for at, step in enumerate(receiver.steps):
        for name in step.tell:
            if name not in people:
                yield f"steps[{at}].tell: there is no subscriber or schedule {name!r}"
        if at == 0 and step.after:
            yield "steps[0].after: the first step is told at once; group_wait is what delays it"
        elif step.after < before:
            yield f"steps[{at}].after: comes before the step above it"
        before = step.after


def _of_route(route: Route, place: str, receivers: set[str], intervals: set[str]) -> Iterator[str]:
    if route.receiver and route.receiver not in receivers:
        yield f"{place}.receiver: there is no receiver, subscriber or schedule {route.receiver!r}"
    for field in ("mute_time_intervals", "active_time_intervals"):
        for name in getattr(route, field):
            if name not in intervals:
                yield f"{place}.{field}: there is no time interval {name!r}"
    for at, child in enumerate(route.routes):
        yield from _of_route(child, f"{place}.routes[{at}]", receivers, intervals)
