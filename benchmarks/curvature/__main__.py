"""The curvature benchmark: orders of convergence, recovered measures, critical loads, time, robustness.

    python -m benchmarks.curvature                           everything not yet in benchmarks/results/curvature.json
    python -m benchmarks.curvature --only orders critical    only these parts
    python -m benchmarks.curvature --only time --again       measure them anew
    python -m benchmarks.curvature --table                   print the tables, run nothing
    python -m benchmarks.curvature --small                   tiny sizes, to a file of their own: does it run?

Each part is a list of items; the file is written after each, and an item that stands in it is not measured again, so
a run that was killed goes on where it was. The machine's lock is held meanwhile: time is measured alone.
"""

from __future__ import annotations

import argparse

from benchmarks.curvature.plan import PARTS, result_path, run
from benchmarks.curvature.table import tables
from benchmarks.lock import machine_lock
from mezzofanti.files import read_json


def main() -> None:
    """Run what is missing, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART")
    parser.add_argument("--again", action="store_true", help="measure items anew that were measured")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to curvature-small.json")
    parser.add_argument("--table", action="store_true", help="print the tables and run nothing")
    options = parser.parse_args()
    if options.table:
        print(tables(read_json(result_path(small=options.small))))
        return
    with machine_lock("python -m benchmarks.curvature"):
        print(tables(run(options.only, again=options.again, small=options.small)))


if __name__ == "__main__":
    main()
