"""What every result file says beside its figures: the command, the versions, the machine."""

from __future__ import annotations

import os
import platform
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["RESULTS", "WORK", "circumstances", "tell"]

REPOSITORY = Path(__file__).parent.parent
RESULTS = REPOSITORY / "benchmarks" / "results"
WORK = REPOSITORY / "work"
LIBRARIES = (
    "mezzofanti",
    "torch",
    "transformers",
    "peft",
    "trl",
    "accelerate",
    "tokenizers",
    "numpy",
    "scipy",
    "openai",
)


def circumstances(command: str) -> dict[str, Any]:
    """Command, versions and machine of this run."""
    return {
        "command": command,
        "versions": {name: found for name in LIBRARIES if (found := _version(name))},
        "python": platform.python_version(),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "gpu": _graphics(),
            "system": sys.platform,
        },
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _graphics() -> str | None:
    """The GPU that torch sees; None where there is none, or no torch (the curvature room does without)."""
    if _version("torch") is None:
        return None
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


_said = [0.0]


def tell(what: str, done: int, total: int) -> None:
    """Say on stderr how far a run is: at its ends, and every twenty seconds between."""
    if done == total or time.monotonic() - _said[0] > 20:
        _said[0] = time.monotonic()
        print(f"{time.strftime('%H:%M:%S')}  {what}: {done}/{total}", file=sys.stderr, flush=True)
