"""What came out of a training, kept on disk until MLflow has it: an outage costs delay, and no training."""

import os
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from contracts.errors import Unavailable
from contracts.identity import digest

from ..files import canonical
from ..manifest import TrainedOn

_FOLDER = "training"


class Candidate(BaseModel):
    """One detector of the comparison; its bundle is in the cache."""

    model_config = ConfigDict(frozen=True)

    label: str
    kind: str
    parameters: dict[str, Any]
    bundle: str
    measures: dict[str, float]


class Result(BaseModel):
    """Everything that MLflow and the log are told of a training.

    key      names plan, range and request: the same training has the same key
    params   plan, range, split and code, by name
    chosen   label of the best candidate, ``why`` says by what
    """

    model_config = ConfigDict(frozen=True)

    key: str
    plan: str
    request: str = ""
    model: str
    alias: str
    publish: bool
    params: dict[str, str]
    trained_on: TrainedOn
    candidates: tuple[Candidate, ...]
    chosen: str
    why: str
    seconds: float

    @property
    def best(self) -> Candidate:
        """The chosen candidate."""
        return next(each for each in self.candidates if each.label == self.chosen)

    def keep(self, data_dir: Path) -> Path:
        """Write it to the data directory, whole or not at all. Raises Unavailable."""
        path = _path(data_dir, self.key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.{os.getpid()}")
            draft.write_bytes(self.model_dump_json(indent=2).encode())
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            raise Unavailable(f"{path}: {error.strerror}") from error
        return path

    def forget(self, data_dir: Path) -> None:
        """Remove it from the data directory: MLflow has it."""
        _path(data_dir, self.key).unlink(missing_ok=True)

    @classmethod
    def kept(cls, data_dir: Path, key: str = "") -> list[Self]:
        """What was kept and is not forgotten: all, or what has this key. Raises Unavailable for what is damaged."""
        paths = [_path(data_dir, key)] if key else sorted((data_dir / _FOLDER).glob("*.json"))
        found = []
        for path in paths:
            try:
                found.append(cls.model_validate_json(path.read_bytes()))
            except FileNotFoundError:
                continue
            except (OSError, ValidationError) as error:
                raise Unavailable(f"{path} cannot be read: {error}", mend="Delete it, and train again.") from error
        return found


def key_of(plan: str, definition: dict[str, Any], since: int, until: int, *others: str) -> str:
    """Names a training before it begins; ``others``: request, digest of the labels, whether it is published."""
    return digest("training", plan, canonical(definition), str(since), str(until), *others)


def _path(data_dir: Path, key: str) -> Path:
    return data_dir / _FOLDER / f"{key}.json"
