"""Runs Python that a model wrote, isolated by bubblewrap, or refuses to run it.

What the program meets: no network; an empty, read-only file system with the interpreter and the system's
libraries in it; a small scratch folder /tmp in memory that is gone afterwards; no environment, no /proc, no
devices but null, zero, random and the like; limits on wall time, processor time, memory, processes, open files
and output; no rights of root; a filter on system calls (`syscalls.py`). Before the first program a probe tries
to break out (`isolation.py`). Where bubblewrap is absent, or one barrier does not hold, nothing is run and
`SandboxUnavailableError` says what to do.

What it does not promise: protection from a fault in the kernel. Code that is hostile on purpose belongs in a
virtual machine of its own; this is for code that is merely unread.
"""

from __future__ import annotations

import functools
import itertools
import json
import math
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Literal

from pydantic import Field

from mezzofanti.errors import SandboxUnavailableError
from mezzofanti.evaluation.isolation import breaches
from mezzofanti.evaluation.syscalls import seccomp_filter
from mezzofanti.records import Record

__all__ = ["Execution", "Limits", "Sandbox"]

START_SECONDS = 60.0
MEBIBYTE = 2**20
_READY = b"\x06mezzofanti-ready\n"
_SYSTEM_FOLDERS = ("/lib", "/lib64", "/lib32", "/bin", "/sbin")
# Root must become someone else for the process limit to count. One number a run: runs do not share a count.
_users = itertools.count(os.getpid())

_INSTALL = (
    "Install bubblewrap 0.7 or newer (apt-get install bubblewrap; dnf install bubblewrap); it needs Linux."
)
_PERMIT = (
    "Allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, on Ubuntu also "
    "kernel.apparmor_restrict_unprivileged_userns=0), or use a machine or container that has them; "
    "model-written code is never run without isolation."
)


class Limits(Record):
    """What one program may use. `memory_mib` is address space a process, so the whole is at most
    `processes` times that; `processes` counts threads and the program itself."""

    seconds: float = Field(default=10.0, gt=0)
    memory_mib: int = Field(default=512, ge=64)
    processes: int = Field(default=4, ge=1)
    scratch_mib: int = Field(default=16, ge=1)
    output_bytes: int = Field(default=65536, ge=256)


class Execution(Record):
    """What became of a program. `exit_code` is None where it was stopped: `timeout`, or `flood` of output."""

    status: Literal["finished", "timeout", "flood"]
    exit_code: int | None
    stdout: str
    stderr: str
    seconds: float


class Sandbox:
    """Runs programs one after another, or from several threads, each in a fresh sandbox.

    `bwrap` is the name or path of bubblewrap. Nothing is started before the first `run` or `verify`.
    """

    def __init__(self, limits: Limits | None = None, *, bwrap: str = "bwrap") -> None:
        self.limits = limits or Limits()
        self.bwrap = bwrap

    def run(self, program: str) -> Execution:
        """Run Python source and return what it printed and how it ended.

        The program sees `__name__ == "__main__"`, an empty standard input and the standard library. Output
        beyond `output_bytes` stops it. Raises `SandboxUnavailableError` where it cannot be isolated.
        """
        self.verify()
        return _execute(program, self.limits, _find(self.bwrap))

    def verify(self) -> None:
        """Try to break out, once a process for each bubblewrap and limits; raise where an attempt succeeds."""
        _verify(self.limits, _find(self.bwrap))


def _find(bwrap: str) -> str:
    path = shutil.which(bwrap)
    if path is None:
        raise SandboxUnavailableError(
            "bubblewrap (bwrap) is not installed, so model-written code is not run.", cure=_INSTALL
        )
    return path


@functools.lru_cache(maxsize=64)
def _verify(limits: Limits, bwrap: str) -> None:
    # Probing waits for no time limit, so a generous one does not slow it and a tight one cannot fail it.
    patient = limits.model_copy(update={"seconds": START_SECONDS, "output_bytes": 65536})

    def run(program: str) -> str:
        execution = _execute(program, patient, bwrap)
        return execution.stdout if execution.exit_code == 0 else execution.stderr

    found = breaches(run, memory=limits.memory_mib * MEBIBYTE, processes=limits.processes)
    if found:
        raise SandboxUnavailableError(
            f"The sandbox does not hold on this machine: {'; '.join(found)}.", cure=_PERMIT
        )


def _execute(program: str, limits: Limits, bwrap: str) -> Execution:
    filter_reader, filter_writer = os.pipe()
    os.write(filter_writer, seccomp_filter())
    os.close(filter_writer)
    with tempfile.TemporaryFile() as source:
        source.write(program.encode("utf-8", errors="surrogatepass"))
        source.seek(0)
        try:
            process = subprocess.Popen(
                _command(limits, bwrap, filter_reader),
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(filter_reader,),
                env={},
                cwd="/",
            )
        finally:
            os.close(filter_reader)
        with process:
            try:
                return _Watcher(process, limits).watch()
            finally:
                process.kill()


def _command(limits: Limits, bwrap: str, filter_descriptor: int) -> list[str]:
    root = os.geteuid() == 0
    interpreter = Path(sys.executable).resolve()
    scratch = ["--perms", "1777", "--size", str(limits.scratch_mib * MEBIBYTE), "--tmpfs", "/tmp"]
    settings = {
        "limits": _resource_limits(limits, spare=0 if root else 1),
        "user": 60_000 + next(_users) % 5_000 if root else None,
        "ready": _READY.decode(),
    }
    return [
        *[bwrap, "--die-with-parent", "--new-session", "--clearenv"],
        *["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"],
        *(
            _as_root()
            if root
            else ["--unshare-user", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"]
        ),
        *_file_system(interpreter),
        *["--dev", "/dev", "--remount-ro", "/dev", *scratch, "--remount-ro", "/", "--chdir", "/tmp"],
        *["--setenv", "HOME", "/tmp", "--setenv", "LANG", "C.UTF-8", "--setenv", "PATH", "/usr/bin:/bin"],
        *["--seccomp", str(filter_descriptor), "--", str(interpreter), "-I", "-S", "-B", "-X", "utf8"],
        *["-c", _inside(), json.dumps(settings)],
    ]


def _as_root() -> list[str]:
    # Inside a user namespace root stays root to the kernel, whom no process limit binds; so root goes in as
    # itself, keeps the one right to become nobody in particular, and `inside.py` uses it up.
    return ["--cap-drop", "ALL", "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]


def _resource_limits(limits: Limits, spare: int) -> dict[str, int]:
    """Limits by their name in `resource`. `spare`: the sandbox's own first process counts where it is one user."""
    return {
        "RLIMIT_AS": limits.memory_mib * MEBIBYTE,
        "RLIMIT_CORE": 0,
        "RLIMIT_CPU": math.ceil(limits.seconds) + 1,
        "RLIMIT_FSIZE": limits.scratch_mib * MEBIBYTE,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_NPROC": limits.processes + spare,
    }


def _file_system(interpreter: Path) -> list[str]:
    arguments = ["--ro-bind", "/usr", "/usr", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    for name in _SYSTEM_FOLDERS:
        if Path(name).is_symlink():
            arguments += ["--symlink", str(Path(name).readlink()), name]
        elif Path(name).is_dir():
            arguments += ["--ro-bind", name, name]
    prefix = Path(sys.base_prefix).resolve()
    if not prefix.is_relative_to("/usr"):
        # Folders that bubblewrap makes on the way would be closed to everyone but root.
        for folder in [*reversed(prefix.parents), prefix][1:]:
            arguments += ["--perms", "0755", "--dir", str(folder)]
        folders = [prefix / "lib", prefix / "lib64", interpreter.parent]
        arguments += [part for folder in folders for part in ("--ro-bind-try", str(folder), str(folder))]
    return arguments


@functools.cache
def _inside() -> str:
    return (Path(__file__).parent / "inside.py").read_text("utf-8")


class _Watcher:
    """Reads both outputs of a running sandbox until the program ends, its time is over, or it says too much."""

    def __init__(self, process: subprocess.Popen[bytes], limits: Limits) -> None:
        self.process, self.limits = process, limits
        self.output, self.errors = bytearray(), bytearray()
        self.ready, self.begun = False, time.monotonic()

    def left(self) -> float:
        """Seconds until the deadline. The clock starts anew with the program: the sandbox around it is free."""
        return self.begun + (self.limits.seconds if self.ready else START_SECONDS) - time.monotonic()

    def watch(self) -> Execution:
        status: Literal["finished", "timeout", "flood"] = self._listen()
        exit_code: int | None = None
        if status == "finished":
            try:
                # A program may close its outputs and go on.
                exit_code = self.process.wait(max(self.left(), 0) + 0.5)
            except subprocess.TimeoutExpired:
                status = "timeout"
        self._require_start()
        most = self.limits.output_bytes
        return Execution(
            status=status,
            exit_code=exit_code,
            stdout=self.output[:most].decode("utf-8", errors="replace"),
            stderr=self.errors[:most].decode("utf-8", errors="replace"),
            seconds=round(time.monotonic() - self.begun, 3),
        )

    def _listen(self) -> Literal["finished", "timeout", "flood"]:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ, self.output)
            selector.register(self.process.stderr, selectors.EVENT_READ, self.errors)
            while selector.get_map():
                for key, _ in selector.select(max(self.left(), 0)):
                    chunk = os.read(key.fd, 65536)
                    key.data.extend(chunk)
                    if not chunk:
                        selector.unregister(key.fileobj)
                self._notice_start()
                if len(self.output) + len(self.errors) > self.limits.output_bytes:
                    return "flood"
                if self.left() <= 0:
                    return "timeout"
        return "finished"

    def _notice_start(self) -> None:
        if not self.ready and self.output.startswith(_READY):
            self.ready, self.begun = True, time.monotonic()
            del self.output[: len(_READY)]

    def _require_start(self) -> None:
        if not self.ready:
            said = " ".join(self.errors.decode("utf-8", errors="replace").split())[-300:]
            raise SandboxUnavailableError(
                f"bubblewrap cannot isolate here ({said or 'it did not start in time'}).", cure=_PERMIT
            )
