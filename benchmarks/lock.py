"""One lock for the whole machine, so that no timing is spoiled by another run.

    with machine_lock("school benchmark, cell 3"):
        ...

    python -m benchmarks.lock -- COMMAND ...    # COMMAND runs under the lock and keeps its own exit status

The lock is a `flock` on a file in the folder for temporary files: the kernel lets go of it when its holder
ends, however it ends. The file says who holds it. A program started by the holder recognises that through
an environment variable and goes on instead of waiting for its own parent.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["lock_path", "machine_lock"]

HELD = "MEZZOFANTI_LOCK_HELD"
POLL_SECONDS = 1.0


def lock_path() -> Path:
    """The one lock file of this machine."""
    return Path(tempfile.gettempdir()) / "mezzofanti.lock"


@contextlib.contextmanager
def machine_lock(what: str) -> Iterator[None]:
    """Hold the lock while the block runs; wait for it first, saying on stderr who holds it."""
    descriptor = _acquire(what)
    before = os.environ.get(HELD)
    os.environ[HELD] = before if descriptor is None and before else str(os.getpid())
    try:
        yield
    finally:
        _restore(before)
        if descriptor is not None:
            os.ftruncate(descriptor, 0)
            os.close(descriptor)


def _restore(before: str | None) -> None:
    if before is None:
        os.environ.pop(HELD, None)
    else:
        os.environ[HELD] = before


def _acquire(what: str) -> int | None:
    """Return the descriptor that holds the lock, or None where an ancestor of this program holds it."""
    descriptor = _open(lock_path())
    told = ""
    while not _try(descriptor):
        holder = os.pread(descriptor, 4096, 0).decode("utf-8", "replace").strip()
        if holder and holder.split()[0] == os.environ.get(HELD):
            os.close(descriptor)
            return None
        if holder != told:
            print(
                f"waiting for the machine: process {holder or 'unknown'} holds {lock_path()}", file=sys.stderr
            )
            told = holder
        time.sleep(POLL_SECONDS)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()} ({what}, since {time.strftime('%H:%M:%S')})\n".encode(), 0)
    return descriptor


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(path: Path) -> int:
    # Not simply O_CREAT: in a sticky folder Linux refuses that for a file which another user made.
    while True:
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
            os.fchmod(descriptor, 0o666)
            return descriptor


def main(arguments: list[str]) -> None:
    """Become the command that follows `--`, holding the lock: its signals and exit status are its own."""
    if arguments[:1] != ["--"] or len(arguments) < 2:
        sys.exit("usage: python -m benchmarks.lock -- COMMAND [ARGUMENT ...]")
    command = arguments[1:]
    descriptor = _acquire(shlex.join(command))
    if descriptor is not None:
        os.environ[HELD] = str(os.getpid())
        os.set_inheritable(descriptor, True)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
