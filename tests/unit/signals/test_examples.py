"""The examples in the docstrings of the signals."""

import doctest
import importlib
import pkgutil

import pytest

import models.signals

MODULES = sorted(info.name for info in pkgutil.iter_modules(models.signals.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_say_what_comes_out(name: str) -> None:
    module = importlib.import_module(f"models.signals.{name}")
    done = doctest.testmod(module)
    assert done.failed == 0
    assert done.attempted > 0 or name == "diagnosis", "an example, or a test of its own"
