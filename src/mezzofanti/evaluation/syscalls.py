"""The system calls that sandboxed code may not make, as a seccomp filter for bubblewrap.

Namespaces and limits are the first barrier. This is the second: calls that reach what namespaces do not cover
(virtual-machine sockets), memory that no limit counts (memfd, System V segments), and doors into the kernel that
a solution to a programming task never needs. It is a list of refusals, not a list of permissions.

The filter is classic BPF over `struct seccomp_data` (kernel documentation, userspace-api/seccomp_filter): the
system call's number at byte 0, the architecture at byte 4, the low half of its first argument at byte 16.
"""

from __future__ import annotations

import errno
import platform
import struct

from mezzofanti.errors import SandboxUnavailableError

__all__ = ["seccomp_filter"]

# machine -> the architecture's audit number, `clone`, and the refused calls that are numbered differently.
_MACHINES: dict[str, tuple[int, int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        56,
        {
            "socket": 41, "shmget": 29, "semget": 64, "msgget": 68, "ptrace": 101, "pivot_root": 155,
            "chroot": 161, "mount": 165, "umount2": 166, "add_key": 248, "request_key": 249, "keyctl": 250,
            "unshare": 272, "perf_event_open": 298, "setns": 308, "process_vm_readv": 310,
            "process_vm_writev": 311, "memfd_create": 319, "bpf": 321, "userfaultfd": 323,
        },
    ),
    "aarch64": (
        0xC00000B7,
        220,
        {
            "socket": 198, "shmget": 194, "semget": 190, "msgget": 186, "ptrace": 117, "pivot_root": 41,
            "chroot": 51, "mount": 40, "umount2": 39, "add_key": 217, "request_key": 218, "keyctl": 219,
            "unshare": 97, "perf_event_open": 241, "setns": 268, "process_vm_readv": 270,
            "process_vm_writev": 271, "memfd_create": 279, "bpf": 280, "userfaultfd": 282,
        },
    ),
}  # fmt: skip
# Calls added since 2019 carry one number on every architecture.
_COMMON = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428, "move_mount": 429,
    "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "mount_setattr": 442, "memfd_secret": 447,
}  # fmt: skip
_CLONE3 = 435
_NEW_NAMESPACE = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_X32_BIT = 0x40000000

_LOAD_WORD = 0x20
_JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT = 0x15, 0x35, 0x45
_RETURN = 0x06
_KILL, _ALLOW, _FAIL = 0x80000000, 0x7FFF0000, 0x00050000


def seccomp_filter(machine: str | None = None) -> bytes:
    """Return the filter for `machine` (this one by default), as `bwrap --seccomp` reads it.

    Raises `SandboxUnavailableError` where the machine's system calls are not listed here.
    """
    machine = machine or platform.machine()
    if machine not in _MACHINES:
        raise SandboxUnavailableError(
            f"The sandbox has no list of system calls for {machine!r}, so model-written code is not run.",
            cure=f"Run it on one of: {', '.join(_MACHINES)}.",
        )
    architecture, clone, refused = _MACHINES[machine]
    program = [_instruction(_LOAD_WORD, 4), *_when(_JUMP_EQUAL, architecture, otherwise=_KILL)]
    program += [_instruction(_LOAD_WORD, 0)]
    if machine == "x86_64":
        program += _refuse(_JUMP_AT_LEAST, _X32_BIT, errno.ENOSYS)
    # The C library falls back to `clone`, whose flags a filter can see.
    program += _refuse(_JUMP_EQUAL, _CLONE3, errno.ENOSYS)
    for number in sorted({**refused, **_COMMON}.values()):
        program += _refuse(_JUMP_EQUAL, number, errno.EPERM)
    program += [*_when(_JUMP_EQUAL, clone, otherwise=_ALLOW), _instruction(_LOAD_WORD, 16)]
    program += [*_refuse(_JUMP_ANY_BIT, _NEW_NAMESPACE, errno.EPERM), _instruction(_RETURN, _ALLOW)]
    return b"".join(program)


def _instruction(code: int, operand: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, operand)


def _refuse(jump: int, operand: int, error: int) -> list[bytes]:
    return [_instruction(jump, operand, 0, 1), _instruction(_RETURN, _FAIL | error)]


def _when(jump: int, operand: int, *, otherwise: int) -> list[bytes]:
    return [_instruction(jump, operand, 1, 0), _instruction(_RETURN, otherwise)]
