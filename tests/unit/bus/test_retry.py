"""Pauses that grow, and never all at the same moment."""

from bus.retry import Backoff


def test_pauses_double_up_to_the_limit() -> None:
    backoff = Backoff(first_s=1.0, most_s=8.0)
    for longest in (1.0, 2.0, 4.0, 8.0, 8.0, 8.0):
        assert longest / 2 <= backoff.pause() <= longest


def test_reset_begins_again_with_a_short_pause() -> None:
    backoff = Backoff(first_s=1.0, most_s=100.0)
    for _ in range(5):
        backoff.pause()
    backoff.reset()
    assert backoff.pause() <= 1.0


def test_pauses_of_many_that_fail_together_differ() -> None:
    assert len({Backoff().pause() for _ in range(50)}) > 40


def test_thousands_of_failures_do_not_overflow() -> None:
    backoff = Backoff(
        first_s=0.5,
        most_s=30.0,
    )
    backoff.failures = 10_000
    assert backoff.pause() <= 30.0
