"""Does the sandbox hold? A program that tries to get out, run once before any other.

Every attempt that succeeds is named. An empty list is the only answer after which model-written code is run.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["breaches"]

# The attempts run in one process; each line of the answer is a barrier that did not hold.
_PROBE = """
import json, os, sys, time

target = json.loads({target!r})
broken = []

def succeeds(attempt):
    try:
        return attempt() is not False
    except (OSError, MemoryError, ImportError):
        return False

def write(path):
    with open(path, "w") as stream:
        stream.write("x")

def connect():
    import socket
    socket.create_connection(("127.0.0.1", target["port"]), 1)

def outgrow_memory():
    block = bytearray(target["memory"] + 2**20)

def outgrow_processes():
    children = []
    try:
        for _ in range(target["processes"]):
            child = os.fork()
            if child == 0:
                time.sleep(600)
            children.append(child)
    finally:
        for child in children:
            os.kill(child, 9)
            os.waitpid(child, 0)

def unshare():
    # A Python built without ctypes has no other way to make this call.
    import ctypes
    return ctypes.CDLL(None).unshare(0x10000000) == 0

attempts = {{
    "a file outside can be read": lambda: open(target["secret"]).read(),
    "/etc/passwd can be read": lambda: open("/etc/passwd").read(),
    "a file outside can be overwritten": lambda: write(target["secret"]),
    "the root folder is writable": lambda: write("/mezzofanti-probe"),
    "/dev/shm is writable": lambda: write("/dev/shm/mezzofanti-probe"),
    "/usr is writable": lambda: write("/usr/mezzofanti-probe"),
    "the interpreter's folder is writable": lambda: write(sys.prefix + "/lib/mezzofanti-probe"),
    "/proc shows other processes": lambda: os.listdir("/proc"),
    "the network can be reached": connect,
    "the program can become root": lambda: os.setuid(0),
    "the program is root": lambda: os.geteuid() == 0,
    "the table of processes is shared": lambda: os.getpid() > 64,
    "new user namespaces can be made": unshare,
    "the memory limit is not in force": outgrow_memory,
    "the process limit is not in force": outgrow_processes,
}}
broken = [name for name, attempt in attempts.items() if succeeds(attempt)]
try:
    write("/tmp/mezzofanti-probe")
except OSError as error:
    broken.append("the scratch folder is not writable (" + str(error) + ")")
print(json.dumps(broken))
"""


def breaches(run: Callable[[str], str], *, memory: int, processes: int) -> list[str]:
    """Run the probe through `run` (program -> what it printed) and name every barrier that does not hold.

    `memory` is the limit in bytes, `processes` the greatest number of processes, as the sandbox was asked for.
    A probe that prints no list at all counts as one breach: silence is no proof.
    """
    with _bait() as (secret, port):
        content = secret.read_text("utf-8")
        target = json.dumps({"secret": str(secret), "port": port, "memory": memory, "processes": processes})
        printed = run(_PROBE.format(target=target))
        try:
            found = [str(name) for name in json.loads(printed)]
        except ValueError:
            return [f"the probe did not finish (it printed {printed[-200:]!r})"]
        if secret.read_text("utf-8") != content:
            found.append("a file outside was changed")
    return found


@contextmanager
def _bait() -> Iterator[tuple[Path, int]]:
    """Yield a world-writable file and the port of a server on this machine: what the probe shall not reach."""
    # Not in /tmp: the sandbox lays its own scratch folder over that name, which would hide a hole.
    place = "/var/tmp" if os.access("/var/tmp", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as name, socket.create_server(("127.0.0.1", 0)) as server:
        folder = Path(name)
        folder.chmod(0o777)
        secret = folder / "secret.txt"
        secret.write_text(secrets.token_hex(16), "utf-8")
        secret.chmod(0o666)
        yield secret, int(server.getsockname()[1])
