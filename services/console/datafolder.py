"""Files in the data folder: written whole or not at all, and every refusal of the disk said in one sentence."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

LEAST_FREE_BYTES = 256 * 1024 * 1024
"""Below this much free space nothing is started: Kafka maps its index files and is killed where they cannot grow."""

_REMEDIES = {
    errno.ENOSPC: "the disk of {path} is full; free some space there or choose another folder with --data",
    errno.EDQUOT: "the disk quota for {path} is used up; free some space there or choose another folder with --data",
    errno.EACCES: "{path} may not be written by this user; change its owner or choose another folder with --data",
    errno.EPERM: "{path} may not be written by this user; change its owner or choose another folder with --data",
    errno.EROFS: "{path} is on a read-only disk; choose another folder with --data",
    errno.ENOTDIR: "{path} cannot be made because a part of it is a file; choose another folder with --data",
    errno.EEXIST: "{path} is a file, not a folder; choose another folder with --data",
    errno.EISDIR: "{path} is a folder where a file is expected; choose another folder with --data",
    errno.ENAMETOOLONG: "{path} is too long a name; choose another folder with --data",
}

_OTHER_REMEDY = "{path} cannot be used ({reason}); choose another folder with --data"


class DataFolderUnusable(Exception):
    """The data folder cannot be used; the message is one sentence with place and remedy."""


@contextlib.contextmanager
def refusals_explained(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses within the block into DataFolderUnusable about `path`."""
    try:
        yield
    except OSError as refusal:
        remedy = _REMEDIES.get(refusal.errno or 0, _OTHER_REMEDY)
        raise DataFolderUnusable(remedy.format(path=path, reason=refusal.strerror or refusal)) from refusal


def make_folder(path: Path) -> Path:
    """Make `path` (readable by its owner only) where it is missing, and return it; raises DataFolderUnusable."""
    with refusals_explained(path):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def demand_free_space(path: Path, least_bytes: int = LEAST_FREE_BYTES) -> None:
    """Raise DataFolderUnusable when the disk of the folder `path` has less than `least_bytes` left."""
    with refusals_explained(path):
        free = shutil.disk_usage(path).free
    if free < least_bytes:
        raise DataFolderUnusable(
            f"the disk of {path} is full ({free // 2**20} MB left, {least_bytes // 2**20} MB are needed); "
            "free some space there or choose another folder with --data"
        )


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace `path` by `content`: a crash leaves the old or the new file, never a part; raises DataFolderUnusable."""
    with refusals_explained(path):
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            os.replace(draft, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)
            raise
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
