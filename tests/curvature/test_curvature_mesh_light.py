"""The room is a library of its own: none of its modules loads torch or transformers."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import mezzofanti.curvature

EVERYTHING = """
import importlib, sys
for name in sys.argv[1].split(","):
    importlib.import_module(f"mezzofanti.curvature.{name}")
import mezzofanti.curvature as room
for name in room.__all__:
    getattr(room, name)
print(sorted({"torch", "transformers", "peft", "datasets"} & set(sys.modules)))
"""


def test_no_module_of_the_room_loads_torch() -> None:
    names = [module.name for module in pkgutil.iter_modules(mezzofanti.curvature.__path__)]
    assert {"mesh", "measures", "flat", "perron", "subharmonic", "experiments", "solve"} <= set(names)
    command = [sys.executable, "-c", EVERYTHING, ",".join(names)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
