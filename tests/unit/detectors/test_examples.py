"""The example of every detector runs, and every detector says where it comes from and what its parameters mean."""

import doctest
import sys
from typing import Any

import pytest

from models.detectors import DETECTORS, Detector

KINDS = sorted(DETECTORS.items())


@pytest.mark.parametrize(("kind", "detector"), KINDS)
def test_the_example_runs(kind: str, detector: type[Detector[Any]]) -> None:
    module = sys.modules[detector.__module__]
    assert detector.__doc__ is not None
    example = doctest.DocTestParser().get_doctest(detector.__doc__, vars(module), kind, module.__file__, 0)
    assert [one for one in example.examples if one.want], "an example shows what comes out"
    assert doctest.DocTestRunner(verbose=False).run(example).failed == 0


@pytest.mark.parametrize(("kind", "detector"), KINDS)
def test_it_names_its_source(kind: str, detector: type[Detector[Any]]) -> None:
    assert "Source: " in (detector.__doc__ or "")


@pytest.mark.parametrize(("kind", "detector"), KINDS)
def test_every_parameter_has_a_meaning(kind: str, detector: type[Detector[Any]]) -> None:
    assert [name for name, field in detector.model_fields.items() if not field.description] == []


def test_every_kind_is_in_a_file_of_its_own() -> None:
    modules = [detector.__module__ for detector in DETECTORS.values()]
    assert len(set(modules)) == len(modules)
