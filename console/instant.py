"""A point in time on the command line."""

from typing import Any

import click

from contracts.instants import from_iso


class Instant(click.ParamType[int]):
    """ISO 8601 with a zone, as nanoseconds since 1970."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return value if isinstance(value, int) else from_iso(value)
        except ValueError as error:
            self.fail(f"{error}: write it as 2026-11-21T05:00:00Z", param, ctx)
