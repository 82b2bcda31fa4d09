"""What a state was made by: two runs with the same maker give the same outputs for the same input."""

import inspect
import sys
from functools import cache
from typing import Any

from contracts.identity import digest
from models.environment import Environment

from ...parts import Processor


def maker_of(processor: Processor[Any, Any, Any]) -> str:
    """Digest of a processor's class, code, configuration and model, and of the versions that bits depend on.

    The code is the module of the class; of what that imports only the versions count.
    """
    kind = type(processor)
    name = f"{kind.__module__}:{kind.__qualname__}"
    return digest("maker", name, _code(kind), processor.model_dump_json(), processor.bundle, _environment())


@cache
def _code(kind: type) -> str:
    try:
        return inspect.getsource(sys.modules[kind.__module__])
    except (OSError, TypeError, KeyError):
        # Made in a session, or shipped without source.
        return ""


@cache
def _environment() -> str:
    return Environment.current().hash
