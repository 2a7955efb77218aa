"""Files written whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from .errors import InputError

_NO_SPACE = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


def require_writable(path: Path) -> None:
    """Say at once, not after minutes of work, that a file cannot be written.

    Raises:
        InputError: the path is a directory, or no file can be made in its folder.
    """
    if path.is_dir():
        raise InputError(f"{path} is a directory; the name of a file would be right")
    folder = next(p for p in path.absolute().parents if p.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"{path} cannot be written, {folder} is no writable folder; a writable path would be right")


def write_whole(path: Path, content: bytes) -> None:
    """Write under a temporary name beside the target, then rename.

    Raises:
        InputError: the path is a directory or cannot be written.
    """
    require_writable(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); a writable path would be right") from None
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        # mkstemp makes files private; a report is for others to read.
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError):
            wanted = "more space" if error.errno in _NO_SPACE else "a writable path"
            raise InputError(f"{path} cannot be written ({error.strerror}); {wanted} would be right") from None
        raise
