"""The school benchmark: four languages, one after another, on a real open model; what does each method keep?

    python -m benchmarks.school                  all cells that are not yet in benchmarks/results/school.json
    python -m benchmarks.school --seeds 0        only these seeds
    python -m benchmarks.school --workers 2      that many cells at once, one thread each
    python -m benchmarks.school --table          print the table, run nothing

A cell is one method with one adapter and one seed. Cells are resumable: a killed run goes on inside the task it was
in. Before the cells, each method picks its learning rate from the same three, on validation rows cut from the
training rows of the first two tasks (seed 0); no exam question is looked at for that. The exam is the same for all.

Every run is a process with one thread: on two cores two of them do a quarter more than one process with two threads,
and all methods are timed alike.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.lock import machine_lock
from benchmarks.school.jobs import do_cell, do_first, do_search
from benchmarks.school.plan import run
from benchmarks.school.setting import METHODS, RESULT, SEEDS, cell_folder
from benchmarks.school.table import table
from mezzofanti.files import read_json
from mezzofanti.report import school_picture


def main() -> None:
    """Run what is missing, write the result after every cell, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--workers", type=int, default=1, help="cells at once; one thread each")
    parser.add_argument("--table", action="store_true", help="print the table and run nothing")
    parser.add_argument("--picture", type=Path, help="draw the README's picture from seed 0's learners")
    parser.add_argument("--job", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        _do(*options.job)
    elif options.picture:
        school_picture([cell_folder(cell, 0, 0, "cells") for cell in METHODS[:3]], options.picture)
    elif options.table:
        print(table(read_json(RESULT)))
    else:
        with machine_lock("python -m benchmarks.school"):
            print(table(run(options.seeds, options.workers)))


def _do(kind: str, cell: str, seed: str, rate: str, where: str) -> None:
    if kind == "first":
        do_first(int(seed), float(rate), where)
    elif kind == "search":
        do_search(cell, float(rate))
    else:
        do_cell(cell, int(seed), float(rate))


if __name__ == "__main__":
    main()
