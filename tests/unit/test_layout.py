"""The shape of the tree: who owns which name, what no module may do, how long anything may be.

Every rule is a function from one parsed file to its findings, and has a snippet below that breaks it.
"""

import ast
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("contracts", "bus", "models", "agents", "console")
OURS = (*PACKAGES, "config", "bench")

MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 50

READS_ENVIRONMENT = {
    "contracts/settings.py": "the one place that does",
    "models/tracking.py": "writes only: MLflow takes its time limits from its process's environment alone",
}
READS_CLOCK = {
    "agents/clock.py": "the clock that is injected everywhere else",
    "bus/": "leases and blocking reads measure real time; nothing of it enters an event",
}
USES_PICKLE: dict[str, str] = {}

PICKLES = {"pickle", "_pickle", "cPickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}
CLOCKS = {
    "time.time", "time.time_ns",
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today",
    "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today",
}  # fmt: skip
ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.getenvb"}
UNSAFE_YAML = {"yaml.load", "yaml.load_all", "yaml.full_load", "yaml.full_load_all", "yaml.unsafe_load",
               "yaml.unsafe_load_all"}  # fmt: skip
SAFE_LOADERS = {"SafeLoader", "CSafeLoader"}


class Source:
    """One parsed file: its path from the root, its text, and what its imported names stand for."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.tree = ast.parse(text)
        self.names: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.names[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for alias in node.names:
                    self.names[alias.asname or alias.name] = f"{node.module}.{alias.name}"

    def dotted(self, node: ast.AST) -> str:
        """``np.load`` as ``numpy.load``; empty for anything that is not a dotted name."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.names.get(node.id, node.id), *reversed(parts)])

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield node, self.dotted(node.func)


Rule = Callable[[Source], Iterator[str]]


def at(source: Source, node: ast.AST, what: str) -> str:
    return f"{source.path}:{getattr(node, 'lineno', 1)}: {what}"


def allowed(source: Source, reasons: dict[str, str]) -> bool:
    return any(source.path == place or (place.endswith("/") and source.path.startswith(place)) for place in reasons)


def imports(source: Source) -> Iterator[tuple[ast.AST, str]]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node, node.module or ""


# ---------------------------------------------------------------- rules for every file, tests included


def no_pickle(source: Source) -> Iterator[str]:
    """A pickle runs code when it is read."""
    if allowed(source, USES_PICKLE):
        return
    for node, module in imports(source):
        if module.partition(".")[0] in PICKLES:
            yield at(source, node, f"import of {module}")
    for node, name in source.calls():
        if name in ("torch.load", "torch.jit.load", "pandas.read_pickle", "numpy.lib.format.read_array"):
            yield at(source, node, name)
        if name in ("importlib.import_module", "__import__") and node.args:
            first = node.args[0]
            named = first.value if isinstance(first, ast.Constant) else None
            if isinstance(named, str) and named.partition(".")[0] in PICKLES:
                yield at(source, node, f"import of {named}")
        for keyword in node.keywords:
            if keyword.arg == "allow_pickle" and not (
                isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            ):
                yield at(source, node, "allow_pickle")


def no_unsafe_yaml(source: Source) -> Iterator[str]:
    """Only the safe loader: the others build any object that the file names."""
    for node, name in source.calls():
        if name in UNSAFE_YAML:
            yield at(source, node, f"{name}; use yaml.safe_load")
        loaders = [keyword.value for keyword in node.keywords if keyword.arg == "Loader"]
        for loader in loaders:
            if name.startswith("yaml.") and source.dotted(loader).rpartition(".")[2] not in SAFE_LOADERS:
                yield at(source, node, f"{name} with {source.dotted(loader)}")


def no_model_load(source: Source) -> Iterator[str]:
    """mlflow.*.load_model runs code from the model's folder, with pickle forbidden too."""
    for call, name in source.calls():
        for keyword in call.keywords:
            # What makes a model of MLflow one that runs code.
            if keyword.arg in ("loader_module", "python_model", "code_paths"):
                yield at(source, call, f"{name} with {keyword.arg}")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute | ast.Name):
            name = source.dotted(node)
            if re.fullmatch(r"mlflow(\..+)?\.(load_model|load_pyfunc|spark_udf)", name):
                yield at(source, node, name)


def no_eval(source: Source) -> Iterator[str]:
    """Text is data."""
    for node, name in source.calls():
        if name in ("eval", "exec", "builtins.eval", "builtins.exec"):
            yield at(source, node, name)


def ignores_have_reasons(source: Source) -> Iterator[str]:
    """An exception to a rule names the rule and says why, on its own line."""
    for number, line in enumerate(source.text.splitlines(), 1):
        for kind, pattern in (
            ("noqa", r"#\s*noqa:\s*[A-Z]+[0-9]+(?:[,\s]+[A-Z]+[0-9]+)*\b(.*)"),
            ("type: ignore", r"#\s*type:\s*ignore\[[^\]]+\](.*)"),
        ):
            found = re.search(pattern, line)
            if found and not re.search(r"[A-Za-z]{3}", found.group(1)):
                yield f"{source.path}:{number}: {kind} without a reason after it"


# ---------------------------------------------------------------- rules for the service


def short_enough(source: Source) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines > MAX_FILE_LINES:
        yield f"{source.path}: {lines} lines, {MAX_FILE_LINES} at most"
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield at(source, node, f"{node.name} has {length} lines, {MAX_FUNCTION_LINES} at most")


def no_utils(source: Source) -> Iterator[str]:
    """A name that says nothing collects everything."""
    if re.fullmatch(r"(utils?|helpers?|misc|common)(\.py)?", Path(source.path).name) or "/utils/" in source.path:
        yield f"{source.path}: name it after what is in it"


def no_environment(source: Source) -> Iterator[str]:
    if allowed(source, READS_ENVIRONMENT):
        return
    for node in ast.walk(source.tree):
        name = source.dotted(node) if isinstance(node, ast.Attribute | ast.Name) else ""
        if name in ENVIRONMENT:
            yield at(source, node, f"{name}; settings come from contracts/settings.py")


def no_clock(source: Source) -> Iterator[str]:
    """What a processor computes may not depend on when it runs; also not as a default_factory."""
    if allowed(source, READS_CLOCK):
        return
    for node in ast.walk(source.tree):
        name = source.dotted(node) if isinstance(node, ast.Attribute | ast.Name) else ""
        if name in CLOCKS:
            yield at(source, node, f"{name}; take the time from the event or from agents/clock.py")


def relative_inside(source: Source) -> Iterator[str]:
    """Inside a package, imports are relative."""
    package = source.path.partition("/")[0]
    for node, module in imports(source):
        if module.partition(".")[0] == package:
            yield at(source, node, f"{module} is in the same package: import it relatively")


EVERYWHERE: tuple[Rule, ...] = (no_pickle, no_unsafe_yaml, no_model_load, no_eval, ignores_have_reasons)
IN_SERVICE: tuple[Rule, ...] = (short_enough, no_utils, no_environment, no_clock, relative_inside)


def sources(*folders: str) -> list[Source]:
    found = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [source(path) for path in found]


@cache
def source(path: Path) -> Source:
    """A file, read and parsed once for all rules."""
    return Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8"))


def findings(rule: Rule, files: list[Source]) -> list[str]:
    return [finding for file in files for finding in rule(file)]


def listed(problems: list[str]) -> str:
    return "\n" + "\n".join(problems)


@pytest.mark.parametrize("rule", EVERYWHERE, ids=lambda rule: rule.__name__)
def test_rule_holds_everywhere(rule: Rule) -> None:
    problems = findings(rule, sources(*PACKAGES, "bench", "tests", "docs", "docker"))
    assert not problems, listed(problems)


@pytest.mark.parametrize("rule", IN_SERVICE, ids=lambda rule: rule.__name__)
def test_rule_holds_in_the_service(rule: Rule) -> None:
    problems = findings(rule, sources(*PACKAGES))
    assert not problems, listed(problems)


# ---------------------------------------------------------------- each rule can fail

BROKEN: list[tuple[Rule, str, str]] = [
    (no_pickle, "bus/x.py", "import pickle"),
    (no_pickle, "tests/x.py", "from joblib import load"),
    (no_pickle, "bus/x.py", "import cloudpickle as c"),
    (no_pickle, "bus/x.py", "import importlib\nimportlib.import_module('dill')"),
    (no_pickle, "bus/x.py", "import torch\ntorch.load('x')"),
    (no_pickle, "bus/x.py", "from torch import load as read\nread('x')"),
    (no_pickle, "bus/x.py", "import numpy as np\nnp.load('x', allow_pickle=True)"),
    (no_pickle, "bus/x.py", "import numpy as np\nnp.load('x', allow_pickle=flag)"),
    (no_unsafe_yaml, "bus/x.py", "import yaml\nyaml.load(x)"),
    (no_unsafe_yaml, "bus/x.py", "from yaml import unsafe_load as r\nr(x)"),
    (no_unsafe_yaml, "bus/x.py", "import yaml\nyaml.compose(x, Loader=yaml.FullLoader)"),
    (no_model_load, "models/x.py", "import mlflow\nmlflow.pyfunc.load_model('x')"),
    (no_model_load, "models/x.py", "from mlflow.sklearn import load_model as get\nget('x')"),
    (no_model_load, "models/x.py", "import mlflow.pyfunc as p\nf = p.load_model"),
    (no_model_load, "models/x.py", "import mlflow\nmlflow.pyfunc.log_model('x', loader_module='y')"),
    (no_pickle, "bus/x.py", "import joblib\njoblib.load('x')"),
    (no_pickle, "bus/x.py", "import torch\ntorch.jit.load('x')"),
    (no_eval, "bus/x.py", "eval('1')"),
    (no_eval, "bus/x.py", "import builtins\nbuiltins.exec('1')"),
    (ignores_have_reasons, "bus/x.py", "x = 1  # no" + "qa: S101"),
    (ignores_have_reasons, "bus/x.py", "x = 1  # no" + "qa: S101, E501"),
    (ignores_have_reasons, "bus/x.py", "x = 1  # type: " + "ignore[arg-type]"),
    (short_enough, "bus/x.py", "x = 1\n" * 301),
    (short_enough, "bus/x.py", "async def f():\n" + "    x = 1\n" * 50),
    (no_utils, "bus/utils.py", ""),
    (no_utils, "agents/drift/helpers.py", ""),
    (no_environment, "bus/x.py", "import os\nos.environ['X']"),
    (no_environment, "contracts/other.py", "from os import getenv as g\ng('X')"),
    (no_clock, "agents/x.py", "import time\ntime.time()"),
    (no_clock, "agents/drift/x.py", "from datetime import datetime as d\nd.now()"),
    (no_clock, "contracts/x.py", "import datetime as dt\ndt.datetime.now(dt.UTC)"),
    (no_clock, "models/x.py", "import time\nField(default_factory=time.time)"),
    (relative_inside, "bus/x.py", "from bus.y import z"),
]

FINE: list[tuple[Rule, str, str]] = [
    (no_pickle, "bus/x.py", "import numpy as np\nnp.load('x', allow_pickle=False)"),
    (no_unsafe_yaml, "bus/x.py", "import yaml\nyaml.safe_load(x)\nyaml.compose(x, Loader=yaml.SafeLoader)"),
    (no_model_load, "models/x.py", "from .bundle import load_model\nload_model('x')"),
    (no_eval, "bus/x.py", "model.eval()"),
    (ignores_have_reasons, "bus/x.py", "x = 1  # no" + "qa: S101 - the caller checked"),
    (short_enough, "bus/x.py", "def f():\n" + "    x = 1\n" * 49),
    (no_environment, "contracts/settings.py", "import os\nos.environ['X']"),
    (no_clock, "agents/clock.py", "import time\ntime.time()"),
    (no_clock, "bus/redis/lease.py", "import time\ntime.time()"),
    (no_clock, "agents/x.py", "import time\ntime.monotonic()"),
    (relative_inside, "agents/x.py", "from bus.y import z\nfrom .state import s"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_rule_finds_a_breach(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Source(path, text)))


@pytest.mark.parametrize(("rule", "path", "text"), FINE, ids=lambda value: getattr(value, "__name__", None))
def test_rule_lets_good_code_pass(rule: Rule, path: str, text: str) -> None:
    assert not list(rule(Source(path, text)))


def test_every_rule_has_a_snippet_that_breaks_it() -> None:
    assert {rule for rule, _, _ in BROKEN} == {*EVERYWHERE, *IN_SERVICE}


@pytest.mark.parametrize("reasons", [READS_ENVIRONMENT, READS_CLOCK, USES_PICKLE], ids=["env", "clock", "pickle"])
def test_every_exception_says_why_and_exists(reasons: dict[str, str]) -> None:
    assert [place for place, reason in reasons.items() if not reason] == []
    assert [place for place in reasons if not (ROOT / place).exists()] == []


# ---------------------------------------------------------------- names at the root


def owners(name: str, distributions: list[tuple[str, list[str]]]) -> set[str]:
    """The distributions, ours apart, with a file in a top-level package or module of this name."""
    return {
        distribution
        for distribution, files in distributions
        if distribution != "tocsin" and any(file.startswith(f"{name}/") or file == f"{name}.py" for file in files)
    }


def installed() -> list[tuple[str, list[str]]]:
    return [
        (distribution.metadata["Name"], [str(file) for file in distribution.files or ()])
        for distribution in importlib.metadata.distributions()
    ]


def test_no_other_distribution_owns_a_name_of_ours() -> None:
    distributions = installed()
    assert owners("yaml", distributions) == {"PyYAML"}, "the scan sees what is installed"
    taken = {name: found for name in OURS if (found := owners(name, distributions))}
    assert not taken


def test_the_scan_for_owners_finds_packages_and_modules() -> None:
    assert owners("bus", [("x", ["bus/__init__.py"]), ("y", ["bus.py"]), ("z", ["omnibus/a.py"])]) == {
        "x",
        "y",
    }
    assert owners("bus", [("tocsin", ["bus/__init__.py"])]) == set()


@pytest.mark.parametrize("name", PACKAGES)
def test_name_is_imported_from_this_tree(name: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", f"import {name}; print({name}.__file__)"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert Path(found.stdout.strip()) == ROOT / name / "__init__.py"


def test_config_holds_data_only() -> None:
    assert (ROOT / "config/default.yaml").is_file()
    code = [path.name for path in (ROOT / "config").rglob("*") if path.suffix in {".py", ".sh", ".so"}]
    assert code == []


# ---------------------------------------------------------------- what importing costs


def test_no_agent_but_the_coordinator_loads_mlflow() -> None:
    """import-linter sees who names it; this sees who ends up with it. It costs 3 s and 175 MB per process."""
    files = [path.relative_to(ROOT) for path in sorted((ROOT / "agents").rglob("*.py"))]
    modules = [
        ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        for path in files
        if path.parts[1] != "coordinator"
    ]
    assert len(modules) > 5, "six agents and their runtime"
    script = "\n".join(
        ["import sys"] + [f"import {module}\nif 'mlflow' in sys.modules: sys.exit('by {module}')" for module in modules]
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
