"""What is learned from mixed tasks of unequal size, across domains and within one: MALoRA, MoLoRA and LoRA.

    python -m benchmarks.adapters quality                                    everything; hours
    python -m benchmarks.adapters quality --study within-a-domain --cells lora-equal molora-r8 malora --seeds 0
    python -m benchmarks.adapters quality --minutes 40                       begin nothing new after forty minutes
    python -m benchmarks.adapters quality --timing                           time the ranks for lora-time, train nothing
    python -m benchmarks.adapters quality --sweep ranks                      MoLoRA and MALoRA of four ranks, seed 0
    python -m benchmarks.adapters quality --sweep ablations                  what each part of MALoRA is worth, seed 0
    python -m benchmarks.adapters quality --table                            print the tables, run nothing
    python -m benchmarks.adapters quality --table --against malora           differences from MALoRA instead of LoRA

Every contestant searches its learning rate among the same rates, with seed 0, on half the rows and validation rows
from the other half; where the best lies at an edge, one rate further is tried until it does not. A task counts only
where LoRA that learns it alone beats the exam's most frequent answer by three standard errors. Jobs are processes of
their own, resumable inside the job; `--workers 2` runs two at once, each with its share of the cores.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.adapters.contestants import ABLATIONS, RANKS
from benchmarks.adapters.quality.cell import do_job
from benchmarks.adapters.quality.plan import Plan
from benchmarks.adapters.quality.setting import METHODS, STUDIES, Job, Setting
from benchmarks.adapters.quality.table import RIVAL, cells_of, table
from benchmarks.adapters.quality.timing import do_timing, time_rank
from benchmarks.lock import machine_lock
from mezzofanti.errors import ConfigurationError, nearest
from mezzofanti.files import read_json

__all__ = ["add_options", "main"]

KIN = {"molora": "molora-r8", "malora": "malora", "asylora": "lora-equal"}
SWEEPS = {
    "ranks": {
        name: name for name in RANKS
    },  # the best rate depends on the rank, and more so where beta grows with it
    "ablations": {name: KIN[name.split("-")[0]] for name in ABLATIONS},
}
"""By sweep: contestants, and whose searched learning rate each takes."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What may be asked of this benchmark."""
    parser.add_argument("--study", nargs="+", choices=list(STUDIES), default=list(STUDIES)[::-1])
    parser.add_argument("--cells", nargs="+", choices=METHODS, default=list(METHODS), metavar="CONTESTANT")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--sweep", choices=list(SWEEPS), help="instead of the studies: further contestants")
    parser.add_argument("--minutes", type=float, help="begin nothing new after so many minutes")
    parser.add_argument("--workers", type=int, default=1, help="jobs at once; they share the cores")
    parser.add_argument("--data", type=Path, default=Setting().data, help="folder of the Long Sequence data")
    parser.add_argument("--timing", action="store_true", help="time the ranks of lora-time and train nothing")
    parser.add_argument("--table", action="store_true", help="print the tables and run nothing")
    parser.add_argument("--against", default=RIVAL, metavar="ROW", help="whose average the tables subtract")
    parser.add_argument(
        "--job", nargs="+", help="one job alone, at any rate: cell STUDY CONTESTANT SEED RATE"
    )


def main(options: argparse.Namespace) -> None:
    """Run what is missing, print the tables."""
    setting = Setting(data=options.data)
    if options.job:
        _do(setting, options.job)
        return
    _refuse_unknown(options.against, setting)
    if not options.table:
        with machine_lock("python -m benchmarks.adapters quality"):
            (time_steps if options.timing else run)(setting, options)
    print(table(read_json(setting.result), options.against))


def _refuse_unknown(row: str, setting: Setting) -> None:
    studies = read_json(setting.result)["studies"] if setting.result.exists() else {}
    rows = sorted({*METHODS, *(name for found in studies.values() for name in cells_of(found))})
    if row not in rows:
        raise ConfigurationError(f"--against {row}: no study has such a row.", cure=nearest(row, rows))


def time_steps(setting: Setting, options: argparse.Namespace) -> None:
    """Time MALoRA's and LoRA's steps, write the finding into the result, and say which rank `lora-time` has."""
    _process(setting, options.workers, "timing")
    plan = _plan(setting, options)
    plan.write()
    timing = plan.result["timing"]
    print(f"a step as long as MALoRA's: rank {timing['rank']} ({timing['low']} to {timing['high']})")
    print(f"lora-time is trained at rank {time_rank(setting)}", end="\n\n")


def run(setting: Setting, options: argparse.Namespace) -> None:
    """Run what is asked for, study by study, as long as there is time."""
    plan = _plan(setting, options)
    if "lora-time" in options.cells and not options.sweep and time_rank(setting) is None:
        _process(setting, options.workers, "timing")
    for study in options.study:
        if options.sweep:
            done = plan.variants(study, SWEEPS[options.sweep])
        else:
            done = plan.study(study, options.cells, options.seeds)
        if not done:
            print("The minutes are over; the same command goes on from here.", file=sys.stderr)
            return


def _plan(setting: Setting, options: argparse.Namespace) -> Plan:
    return Plan(
        setting,
        lambda job: _process(setting, options.workers, *map(str, job)),
        workers=options.workers,
        minutes=options.minutes,
    )


def _process(setting: Setting, workers: int, *job: str) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.adapters", "quality"]
    command += ["--data", str(setting.data), "--job", *job]
    threads = max(1, (os.cpu_count() or 1) // workers)
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": str(threads)})


def _do(setting: Setting, job: list[str]) -> None:
    if job == ["timing"]:
        do_timing(setting)
        return
    kind, study, name, seed, rate = job
    do_job(setting, Job(kind, study, name, int(seed), float(rate)))
