"""Peak memory of a training step: one process a contestant, so that nobody inherits another's peak.

python -m benchmarks.adapters.memory WORKLOAD CONTESTANT DTYPE DROPOUT      prints one JSON object

What a step adds is the highest resident size while it runs less the resident size before it. The allocator keeps what
an earlier step freed, and a step that takes it again would seem to add nothing: so it is given back first.
"""

from __future__ import annotations

import ctypes
import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.adapters.workloads import WORKLOADS, racer

__all__ = ["measure", "measure_in_a_process"]

STATUS = Path("/proc/self/status")
PEAK = Path("/proc/self/clear_refs")
STEPS = 2


def measure(workload: str, name: str, dtype: str, dropout: float) -> dict[str, Any]:
    """Return what a step keeps for backward, and how far it lifts the process above the loaded model; in bytes.

    Without `heap_trimmed`, `step_adds` is a lower bound: part of what the step took was resident before it.
    """
    chosen, type_ = WORKLOADS[workload], getattr(torch, dtype)
    one = racer(name, chosen.build(type_), chosen, type_, dropout)
    one.step()  # from here on the optimizer's state is there
    trimmed = _give_back()
    PEAK.write_text("5")  # the peak starts anew from what is resident now (proc(5))
    before = _resident("VmRSS")
    for _ in range(STEPS):
        one.step()
    peak = _resident("VmHWM")
    return {
        "dtype": dtype,
        "dropout": dropout,
        "heap_trimmed": trimmed,
        "saved_for_backward": one.saved_bytes(),
        "resident_before": before,
        "peak_resident": peak,
        "step_adds": peak - before,
    }


def measure_in_a_process(workload: str, name: str, dtype: str, dropout: float) -> dict[str, Any]:
    """Return what `measure` returns, from a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.adapters.memory"]
    command += [workload, name, dtype, str(dropout)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _give_back() -> bool:
    """Give what is freed back to the kernel; False where the C library is not glibc and cannot be asked to."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return False
    trim(0)
    return True


def _resident(field: str) -> int:
    """Read one field of the kernel's account of this process, in bytes."""
    (line,) = [line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))))
