"""Rounds of random kills and pauses against a fleet: ``python -m tests.chaos --rounds 200 --seed 1``.

A round that fails names its seed and keeps its folder; ``--rounds 1 --seed THAT`` plays it again.
"""

import random
import signal
import sys
from time import monotonic

import click

from .backends import BACKENDS
from .broken import BROKEN
from .fleet import Nursery, Scene
from .round import play


@click.command()
@click.option("--rounds", default=1, show_default=True)
@click.option("--seed", type=int, help="of the first round; each further one has the next number")
@click.option("--disturbances", default=4, show_default=True, help="in a round")
@click.option("--server", type=click.Choice(sorted(BACKENDS)), default="valkey", show_default=True)
@click.option("--archive", is_flag=True, help="archive the log in small segments, and trim it at once")
@click.option("--broken", type=click.Choice(sorted(BROKEN)), help="break the bus on purpose, and stop when it is found")
def main(rounds: int, seed: int | None, disturbances: int, server: str, *, archive: bool, broken: str | None) -> None:
    """Play rounds; exit code 1 when a log is not the undisturbed one (with --broken: when every one is)."""
    first = random.SystemRandom().randrange(10**6) if seed is None else seed
    # The fleet is ended by the end of its block: workers that sleep would never end by themselves.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    scene = Scene(server, archive, broken or "")
    began, failed = monotonic(), 0
    with Nursery() as nursery:
        for number in range(rounds):
            outcome = play(nursery, first + number, scene, disturbances=disturbances)
            click.echo(f"{number + 1}/{rounds}  {outcome}")
            if outcome.problems:
                failed += 1
                click.echo(
                    f"  kept in {outcome.folder}; again: python -m tests.chaos {_options(scene)}--seed {outcome.seed}"
                )
                if broken:
                    break
    spent = monotonic() - began
    click.echo(f"{rounds} rounds, {failed} failed, {spent:.0f} s" if not broken else f"{broken}: found {failed}")
    sys.exit(bool(failed) != bool(broken))


def _options(scene: Scene) -> str:
    return ("--server cluster " if scene.server == "cluster" else "") + ("--archive " if scene.archive else "")


if __name__ == "__main__":
    main()
