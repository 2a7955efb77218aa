"""The line of the user's own file that a message is about."""

from __future__ import annotations

import inspect
import os
import re
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

# Lines of these are not the user's.
_FOLDERS = [
    Path(str(p)).resolve().parent for p in (torch.__file__, np.__file__, inspect.__file__, Path(__file__).parents[1])
]
_FOREIGN = tuple(f"{folder}{os.sep}" for folder in _FOLDERS)
# What takes a number out of autograd's sight.
_DETACHING = re.compile(r"\.detach\(|\.data\b|\.item\(|\.tolist\(|\.numpy\(|no_grad|inference_mode|\bfloat\(")
_TRACE_LINE = re.compile(r'File "([^"]+)", line (\d+)')
# Anomaly mode says in a warning where the forward call was.
_MOST_TRACES = 20


def line_of_error(error: BaseException) -> str:
    """`file.py:12` for the innermost line of the user's that an exception passed, "" if it passed none."""
    frames = [(f.filename, f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno))
    own = [f"{name}:{line}" for name, line in frames if _is_users(name)]
    return own[-1] if own else ""


def line_of(thing: Any) -> str:
    """`file.py:12` where a function or the class of a module is defined, "" where that is not in a file of the user's.

    If a line in it takes numbers out of autograd's sight, that line.
    """
    function = type(thing).forward if isinstance(thing, torch.nn.Module) else inspect.unwrap(thing)
    try:
        name = inspect.getsourcefile(function)
        lines, first = inspect.getsourcelines(function)
    except (TypeError, OSError):
        return ""
    if name is None or not _is_users(name):
        return ""
    found = [k for k, line in enumerate(lines) if _DETACHING.search(line.partition("#")[0])]
    return f"{name}:{first + (found[0] if found else 0)}"


def line_of_backward(call: Callable[[], Any]) -> str:
    """The line of the forward call whose backward fails, as torch's anomaly mode knows it; "" if it does not."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            with torch.autograd.set_detect_anomaly(True, check_nan=False):
                call()
        except RuntimeError:
            pass
    for warning in caught[:_MOST_TRACES]:
        own = [f"{n}:{k}" for n, k in _TRACE_LINE.findall(str(warning.message)) if _is_users(n)]
        if own:
            return own[-1]
    return ""


def at(line: str) -> str:
    """In brackets, or nothing."""
    return f" ({line})" if line else ""


def sentence(error: BaseException) -> str:
    """The kind of an exception and the first line of what it says, for the middle of a sentence."""
    text = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _is_users(name: str) -> bool:
    path = str(Path(name).resolve()) if not name.startswith("<") else name
    return not name.startswith("<") and not path.startswith(_FOREIGN) and "site-packages" not in path
