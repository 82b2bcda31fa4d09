"""The page on features says what the code does."""

import re
from pathlib import Path
from typing import get_args

import yaml

from models.features import feature_set
from models.features.terms import Feature
from models.trained import TRAINED

PAGE = Path(__file__).resolve().parents[3] / "docs" / "features.md"


def test_the_example_has_the_features_that_the_page_names() -> None:
    text = PAGE.read_text("utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (plan,) = yaml.safe_load(blocks[0])["training"]["plans"].values()
    names = feature_set(plan["features"]).names
    shown = text.partition("It has twelve features")[2].partition("A field")[0]
    assert len(names) == 12
    assert set(re.findall(r"`([\w.]+)`", shown)) == set(names) - {"histogram_minute_1", "histogram_minute_2"}
    assert set(plan["detectors"]) == set(TRAINED)


def test_every_feature_and_detector_has_a_line() -> None:
    lines = re.findall(r"^\| (`.+?) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    shown = {word for line in lines for word in re.findall(r"`(\w+)`", line)}
    union = get_args(get_args(Feature)[0])
    kinds = {kind for term in union for kind in get_args(term.model_fields["kind"].annotation)}
    assert shown == kinds | set(TRAINED)
