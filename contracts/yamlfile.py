"""A YAML file that knows the line of each of its values."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .errors import ConfigError

MAX_BYTES = 1 << 20
#: Values after aliases are written out: an alias bomb of a few lines has billions.
MAX_VALUES = 100_000
#: Text, and ``<<``, which takes in another mapping. `on`, `1` and `[a]` are not.
_KEYS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")


@dataclass(frozen=True)
class YamlFile:
    """The data of a YAML file, and where each value stands."""

    path: Path
    data: dict[str, Any]
    lines: dict[tuple[str, ...], int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "YamlFile":
        """Read a file.

        Raises ConfigError when it is missing, too large, not YAML, not a mapping, or names a key twice.
        """
        try:
            with path.open("rb") as stream:
                text = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from error
        return cls.of(path, text)

    @classmethod
    def of(cls, path: Path, text: bytes) -> "YamlFile":
        """What a text says; ``path`` is what its lines are called after. Raises ConfigError as ``read`` does."""
        if len(text) > MAX_BYTES:
            raise ConfigError([f"{path}: larger than {MAX_BYTES:,} bytes"])
        try:
            node = yaml.compose(text, Loader=yaml.SafeLoader)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            detail = getattr(error, "problem", None) or str(error)
            raise ConfigError([f"{path}{line}: not YAML: {detail}"]) from error
        if node is None:
            return cls(path, {})
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError([f"{path}:1: must be a mapping of settings"])
        walk = _Walk(path)
        try:
            walk.visit(node, ())
        except RecursionError as error:
            raise ConfigError([f"{path}: nested too deeply"]) from error
        if walk.problems:
            raise ConfigError(walk.problems)
        try:
            return cls(path, yaml.safe_load(text), walk.lines)
        # What the library raises for a tag that it does not know, or for a value that does not fit its tag.
        except (yaml.YAMLError, ValueError, KeyError, AttributeError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            line = f":{mark.line + 1}" if mark else ""
            raise ConfigError([f"{path}{line}: a value cannot be read: {getattr(error, 'problem', error)}"]) from error

    def place(self, where: tuple[str, ...]) -> str:
        """``file:line`` of the setting, or of the nearest one above it that the file names."""
        for length in range(len(where), 0, -1):
            if where[:length] in self.lines:
                return f"{self.path}:{self.lines[where[:length]]}"
        return str(self.path)


class _Walk:
    """Lines of all values; what is wrong with the file itself."""

    def __init__(self, path: Path) -> None:
        self.path, self.lines, self.count = path, dict[tuple[str, ...], int](), 0
        self.problems: list[str] = []

    def visit(self, node: yaml.Node, where: tuple[str, ...]) -> None:
        self.count += 1
        if self.count > MAX_VALUES:
            raise ConfigError([f"{self.path}: more than {MAX_VALUES:,} values once its aliases are written out"])
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                line = key.start_mark.line + 1
                if key.tag not in _KEYS:
                    self.problems.append(f"{self.path}:{line}: a name must be text: put it in quotes")
                    continue
                place = (*where, str(key.value))
                if place[-1] in seen:
                    self.problems.append(f"{self.path}:{line}: {'.'.join(place)}: named twice")
                seen.add(place[-1])
                self.lines[place] = line
                self.visit(value, place)
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                self.lines[*where, str(number)] = value.start_mark.line + 1
                self.visit(value, (*where, str(number)))
