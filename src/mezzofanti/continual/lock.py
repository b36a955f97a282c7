"""One command at a time: whoever teaches or examines a learner holds `learner.lock` in its folder.

The lock is a `flock`: the kernel lets go of it when its holder ends, however it ends. Reading needs no lock.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

from mezzofanti.errors import StateError

__all__ = ["LOCK", "held"]

LOCK = "learner.lock"


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the lock of the learner in `folder` while the block runs; the folder is made where it is absent.

    Raises `StateError`, which names the holder, where it is held: also by another `Learner` of this process.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StateError(
                f"The learner in {folder} is in use{_holder(descriptor)}.",
                cure="Wait until that has ended, then give the same command again.",
            ) from None
        _write(descriptor)
        try:
            yield
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _write(descriptor: int) -> None:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    os.ftruncate(descriptor, 0)
    os.pwrite(
        descriptor,
        json.dumps({"process": os.getpid(), "machine": platform.node(), "since": since}).encode(),
        0,
    )


def _holder(descriptor: int) -> str:
    try:
        known = json.loads(os.pread(descriptor, 4096, 0))
        return f" by process {known['process']} on {known['machine']} since {known['since']}"
    except (ValueError, KeyError, TypeError):
        return " by another process"
