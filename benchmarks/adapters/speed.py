"""How long is a training step, and what does it keep in memory, against LoRA of as many parameters?

    python -m benchmarks.adapters speed                        both workloads; -> benchmarks/results/malora_speed.json
    python -m benchmarks.adapters speed --workload wide-block --rounds 30
    python -m benchmarks.adapters speed --only lora-equal malora molora-r8-sorted
    python -m benchmarks.adapters speed --fresh                begin the rounds anew, after a change of the code
    python -m benchmarks.adapters speed --parts memory         memory alone: other work beside does not matter to it
    python -m benchmarks.adapters speed --dropout 0.05 --output speed-dropout.json    as the paper's presets train

With dropout a mixture reads its input twice, once dropped out and once, for the router, whole: what is one product
without it becomes two. The result file keeps one setting a workload, so another dropout takes another --output.

Forward, backward and AdamW in one process, every contestant once a round in an order drawn anew, so that whatever
else the machine does meets all of them alike. A ratio is one of medians over rounds; its interval is a bootstrap over
rounds drawn in pairs. Memory is measured afterwards, each contestant in a process of its own. Resumable round by round.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.adapters.contestants import SPEED
from benchmarks.adapters.memory import measure_in_a_process
from benchmarks.adapters.rounds import journal_path, ratio, run_rounds, seconds_of
from benchmarks.adapters.workloads import WORKLOADS, Racer, Workload, racer
from benchmarks.lock import machine_lock
from benchmarks.record import RESULTS, WORK, circumstances, tell
from mezzofanti.files import read_json, write_json

__all__ = ["add_options", "main", "measure_workload", "table"]

RESULT = RESULTS / "malora_speed.json"
FOLDER = WORK / "adapters" / "speed"
REFERENCE = "lora-equal"
PAIRS = (
    ("molora-r8-sorted", "malora"),
    ("molora-r8-sorted", "malora-sorted"),
    ("molora-r8-loop", "malora-loop"),
    ("molora-r8", "malora"),
    ("malora-loop", "malora"),
    ("malora-sorted", "malora"),
    ("malora", "lora-time"),
)
"""What is divided by what, beside everything by LoRA of equal parameters."""
TARGETS = (
    ("smollm2-135m", "malora", REFERENCE, "at most", 1.10),
    ("wide-block", "malora", REFERENCE, "at most", 1.15),
    ("smollm2-135m", "molora-r8-sorted", "malora", "at least", 1.25),
    ("wide-block", "molora-r8-sorted", "malora", "at least", 1.25),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """What may be asked of this benchmark."""
    parser.add_argument("--workload", nargs="+", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--only", nargs="+", choices=SPEED, default=list(SPEED), metavar="CONTESTANT")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="of the base")
    parser.add_argument(
        "--dropout", type=float, default=0.0, help="of every adapter; the paper's presets: 0.05"
    )
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--parts", nargs="+", choices=["time", "memory"], default=["time", "memory"])
    parser.add_argument("--fresh", action="store_true", help="begin the rounds anew")
    parser.add_argument("--output", type=Path, default=RESULT)


def main(options: argparse.Namespace) -> None:
    """Measure, write the result after every workload and every look at memory, print the table."""
    torch.set_num_threads(options.threads)
    known = read_json(options.output) if options.output.is_file() else {}
    workloads: dict[str, Any] = known.get("workloads", {})
    with machine_lock("python -m benchmarks.adapters speed"):
        for name in options.workload if "time" in options.parts else ():
            kept = workloads.get(name, {}).get("memory", {})
            workloads[name] = {**measure_workload(WORKLOADS[name], options, FOLDER), "memory": kept}
            _write(options.output, workloads)
        for name in options.workload if "memory" in options.parts else ():
            for contestant in [one for one in SPEED if one in options.only]:
                found = measure_in_a_process(name, contestant, options.dtype, options.dropout)
                workloads.setdefault(name, {}).setdefault("memory", {})[contestant] = found
                _write(options.output, workloads)
                tell(f"{name}, memory of {contestant}", 1, 1)
    print(table(read_json(options.output)))


def _write(path: Path, workloads: dict[str, Any]) -> None:
    head = {"schema": 1, **circumstances("python -m benchmarks.adapters speed")}
    write_json(path, {**head, "workloads": workloads, "targets": targets(workloads)})


def measure_workload(workload: Workload, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Time one workload."""
    names = [name for name in SPEED if name in options.only]
    settings = {
        "what": workload.what,
        "batch": workload.batch,
        "length": workload.length,
        "dtype": options.dtype,
        "dropout": options.dropout,
        "threads": options.threads,
    }
    rows = _rounds(workload, names, settings, options, folder)
    return {
        **settings,
        "rounds": len(rows),
        "contestants": {name: _one(rows, name) for name in names},
        "pairs": [_pair(rows, *pair) for pair in PAIRS if set(pair) <= set(names)],
    }


def _rounds(
    workload: Workload,
    names: Sequence[str],
    settings: dict[str, Any],
    options: argparse.Namespace,
    folder: Path,
) -> list[dict[str, Any]]:
    journal = journal_path(folder, workload.name, {**settings, "names": names, **circumstances("")})
    if options.fresh:
        journal.unlink(missing_ok=True)

    def build() -> list[Racer]:
        dtype = getattr(torch, options.dtype)
        base = workload.build(dtype)
        return [racer(name, base, workload, dtype, options.dropout) for name in names]

    return run_rounds(build, journal, options.rounds, lambda done, all_: tell(workload.name, done, all_))


def _one(rows: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    seconds = seconds_of(rows, name)
    found = {
        "trainable_parameters": rows[-1]["parameters"][name],
        "median_seconds": median(seconds),
        "seconds": seconds,
    }
    if REFERENCE in rows[-1]["seconds"]:
        found[f"to_{REFERENCE}"] = ratio(seconds, seconds_of(rows, REFERENCE))
    return found


def _pair(rows: Sequence[dict[str, Any]], above: str, below: str) -> dict[str, Any]:
    return {"above": above, "below": below, **ratio(seconds_of(rows, above), seconds_of(rows, below))}


def targets(workloads: dict[str, Any]) -> list[dict[str, Any]]:
    """Say of every target that was measured whether it is met; a target is met where the ratio itself meets it."""
    found = []
    for workload, above, below, sense, limit in TARGETS:
        contestants = workloads.get(workload, {}).get("contestants", {})
        if above in contestants and below in contestants:
            got = ratio(contestants[above]["seconds"], contestants[below]["seconds"])
            met = got["ratio"] <= limit if sense == "at most" else got["ratio"] >= limit
            row = {"workload": workload, "above": above, "below": below, "sense": sense, "limit": limit}
            found.append({**row, **got, "met": met})
    return found


def table(result: dict[str, Any]) -> str:
    """The result as Markdown."""
    lines = []
    for name, found in result["workloads"].items():
        if "contestants" in found:
            lines += [*_times(name, found), ""]
        if found.get("memory"):
            lines += [*_memory(name, found["memory"]), ""]
    for one in result["targets"]:
        what = f"{one['workload']}: {one['above']} / {one['below']} {one['sense']} {one['limit']:.2f}"
        lines.append(f"{what}: {_ratio(one)}, {'met' if one['met'] else 'not met'}")
    return "\n".join(lines)


def _times(name: str, found: dict[str, Any]) -> list[str]:
    head = f"{name}: {found['what']}, {found['batch']} x {found['length']} tokens, {found['dtype']}, "
    lines = [head + f"{found['threads']} threads, {found['rounds']} rounds", ""]
    lines += [f"| contestant | parameters | seconds | to {REFERENCE} |", "|---|---:|---:|---:|"]
    for contestant, one in found["contestants"].items():
        against = _ratio(one[f"to_{REFERENCE}"]) if f"to_{REFERENCE}" in one else ""
        cells = [contestant, f"{one['trainable_parameters']:,}", f"{one['median_seconds']:.3f}", against]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, "", *(f"{one['above']} / {one['below']}: {_ratio(one)}" for one in found["pairs"])]


def _memory(name: str, found: dict[str, Any]) -> list[str]:
    head = "| contestant | dropout | saved for backward, MB | a step adds, MB | peak of the process, MB |"
    lines = [f"{name}:", "", head, "|---|---:|---:|---:|---:|"]
    for contestant, one in found.items():
        kept, adds, peak = (
            f"{one[key] / 1e6:.0f}" for key in ("saved_for_backward", "step_adds", "peak_resident")
        )
        if not one.get("heap_trimmed"):  # also where an older file does not say
            adds = f"at least {adds}"
        lines.append(f"| {' | '.join([contestant, str(one.get('dropout', '')), kept, adds, peak])} |")
    return lines


def _ratio(one: dict[str, Any]) -> str:
    if one["low"] is None:
        return f"{one['ratio']:.2f} (too few rounds)"
    return f"{one['ratio']:.2f} ({one['low']:.2f} to {one['high']:.2f})"
