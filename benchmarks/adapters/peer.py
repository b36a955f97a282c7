"""TUDB-Labs/MoE-PEFT's own mixture beside ours: one block as wide as LLaMA-7B's, two processes that take turns.

    python -m benchmarks.adapters peer --python ENVIRONMENT/bin/python --source MoE-PEFT

MoE-PEFT (github.com/TUDB-Labs/MoE-PEFT) asks for torch < 2.6 and transformers < 4.47, so it runs in an environment of
its own, outside this tree, which you make; its code is not changed. Its "mola" is what we call MoLoRA, by a loop over
experts. Each side also times the frozen block without adapters: `over_base` divides by that, so that the two versions
of torch are not what is compared. Dropout is 0.05 on both sides (MoE-PEFT asserts that it is not 0).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.adapters.rounds import ratio
from benchmarks.adapters.workloads import Racer, adapt, block_loss, wide_block
from benchmarks.lock import machine_lock
from benchmarks.record import REPOSITORY, RESULTS, circumstances, tell
from mezzofanti.errors import ConfigurationError
from mezzofanti.files import write_json

__all__ = ["add_options", "main", "measure", "table"]

RESULT = RESULTS / "malora_peer.json"
OURS = ("molora-r8-loop", "molora-r8-sorted", "molora-r8", "malora")
SETTINGS = {"r": 8, "lora_alpha": 16, "lora_dropout": 0.05, "num_experts": 8, "top_k": 2}
SHAPE = {"hidden": 4096, "inner": 11008, "heads": 32, "batch": 2, "length": 128}
WARM_UP = 2


def add_options(parser: argparse.ArgumentParser) -> None:
    """What may be asked of this benchmark."""
    parser.add_argument("--python", type=Path, help="the other environment's Python")
    parser.add_argument("--source", type=Path, help="folder of MoE-PEFT's code")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, default=RESULT)
    parser.add_argument("--serve", help=argparse.SUPPRESS)


def main(options: argparse.Namespace) -> None:
    """Measure, write the result, print the table; with `--serve`, be our side of it."""
    if options.serve:
        serve(json.loads(options.serve))
        return
    if options.python is None or options.source is None:
        raise ConfigurationError(
            "The other environment is not named.",
            cure="Give --python and --source; --help says what they are.",
        )
    with machine_lock("python -m benchmarks.adapters peer"):
        found = measure({**SHAPE, "threads": options.threads}, options.python, options.source, options.rounds)
    write_json(options.output, {"schema": 1, **circumstances("python -m benchmarks.adapters peer"), **found})
    print(table(found))


def measure(shape: dict[str, Any], python: Path, source: Path, rounds: int) -> dict[str, Any]:
    """Ask both processes for one step of each contestant, round after round."""
    asked = json.dumps({**shape, "settings": SETTINGS})
    theirs = _start(
        [str(python), "-W", "ignore", str(Path(__file__).with_name("peer_process.py")), asked], source
    )
    here = [sys.executable, "-W", "ignore", "-m", "benchmarks.adapters", "peer", "--serve", json.dumps(shape)]
    ours = _start(here, REPOSITORY)
    try:
        head = _read(theirs)
        parameters = {"mola": head["parameters"], **_read(ours)["parameters"]}
        seconds = _rounds(ours, theirs, rounds)
    finally:
        for process in (ours, theirs):
            _end(process)
    compared = _compared(seconds, parameters)
    return {"peer": head["circumstances"], "shape": shape, "rounds": rounds, "contestants": compared}


def _rounds(
    ours: subprocess.Popen[str], theirs: subprocess.Popen[str], rounds: int
) -> dict[str, list[float]]:
    sides = {"their base": (theirs, "base"), "mola": (theirs, "mola"), "our base": (ours, "base")}
    sides |= {name: (ours, name) for name in OURS}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(WARM_UP + rounds):
        for name, (process, asked) in sides.items():
            found = _ask(process, asked)
            if number >= WARM_UP:
                seconds[name].append(found)
        tell("rounds", number + 1, WARM_UP + rounds)
    return seconds


def _compared(seconds: dict[str, list[float]], parameters: dict[str, int]) -> dict[str, Any]:
    mola = over(seconds["mola"], seconds["their base"])
    found: dict[str, Any] = {}
    for name, taken in seconds.items():
        found[name] = {"median_seconds": median(taken), "seconds": taken}
        if name in parameters:
            found[name]["trainable_parameters"] = parameters[name]
        if name in OURS:
            found[name]["mola_to_this"] = ratio(seconds["mola"], taken)
            found[name]["mola_to_this_over_base"] = ratio(mola, over(taken, seconds["our base"]))
    return found


def over(seconds: Sequence[float], base: Sequence[float]) -> list[float]:
    """Steps as multiples of the frozen block's, round by round."""
    return [step / frozen for step, frozen in zip(seconds, base, strict=True)]


def serve(shape: dict[str, Any]) -> None:
    """Our side: answer every name on the input with the seconds of one step."""
    torch.set_num_threads(shape["threads"])
    base = wide_block(torch.float32, hidden=shape["hidden"], inner=shape["inner"], heads=shape["heads"])
    base.requires_grad_(False)
    loss = block_loss(base, shape["batch"], shape["length"], torch.float32)
    racers = {name: Racer(name, adapt(name, base, dropout=SETTINGS["lora_dropout"]), loss) for name in OURS}
    print(json.dumps({"parameters": {name: racer.parameters for name, racer in racers.items()}}), flush=True)
    racers["base"] = Racer("base", base.train(), loss)
    for line in sys.stdin:
        print(json.dumps(racers[line.strip()].step()), flush=True)


def _start(command: list[str], path: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(path), "MOE_PEFT_EXECUTOR_TYPE": "CPU"}
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        assert stream is not None
        with contextlib.suppress(BrokenPipeError):
            stream.close()
    process.wait()


def _ask(process: subprocess.Popen[str], name: str) -> float:
    assert process.stdin is not None
    process.stdin.write(f"{name}\n")
    process.stdin.flush()
    return float(_read(process))


def _read(process: subprocess.Popen[str]) -> Any:
    """The next JSON line; whatever else a library prints is passed over."""
    assert process.stdout is not None
    for line in process.stdout:
        try:
            return json.loads(line)
        except ValueError:
            continue
    raise ConfigurationError(
        f"{process.args!r} ended at once.", cure="Its own message stands above; see --help for what it needs."
    )


def table(found: dict[str, Any]) -> str:
    """The result as Markdown."""
    theirs = found["peer"]
    made_of = [
        f"{name} {number}" for name, number in {"Python": theirs["python"], **theirs["versions"]}.items()
    ]
    lines = [f"MoE-PEFT at commit {theirs['commit']} with {', '.join(made_of)}", ""]
    lines += ["| contestant | parameters | seconds | MoE-PEFT's mola takes | over the frozen block |"]
    lines += ["|---|---:|---:|---:|---:|"]
    for name, one in found["contestants"].items():
        cells = [name, f"{one.get('trainable_parameters', 0):,}", f"{one['median_seconds']:.3f}"]
        for key in ("mola_to_this", "mola_to_this_over_base"):
            cells.append(f"{one[key]['ratio']:.2f} x" if key in one else "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
