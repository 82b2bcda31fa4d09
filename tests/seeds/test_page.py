"""The seeds are complete: each tells its failure, has a mutant that its check fails on, and a line on the page."""

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "decisions" / "0008-seeds.md"
SEEDS = sorted(set(HERE.glob("test_*.py")) - {Path(__file__)})


def test_the_page_lists_every_seed() -> None:
    listed = re.findall(r"`tests/seeds/(test_\w+\.py)` \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(listed) == [path.name for path in SEEDS]


@pytest.mark.parametrize("seed", SEEDS, ids=lambda path: path.stem)
def test_the_seed_has_a_failure_a_check_and_a_mutant(seed: Path) -> None:
    """The failure in two sentences; one test of ours; one whose check fails, in words that name this failure."""
    tree = ast.parse(seed.read_text("utf-8"))
    told = " ".join((ast.get_docstring(tree) or "").split())
    assert len(re.findall(r"[.!?](?= [A-Z]|$)", told)) == 2, told
    tests = {
        node.name: ast.unparse(node)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }
    mutated = [name for name, text in tests.items() if "pytest.raises(AssertionError, match=" in text]
    assert 0 < len(mutated) < len(tests)
    assert all("check" in text for text in tests.values())
