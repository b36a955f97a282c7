"""The curvature benchmark: orders of convergence, recovered measures, critical loads, time, robustness.

    python -m benchmarks.curvature                           everything not yet in benchmarks/results/curvature.json
    python -m benchmarks.curvature --only orders critical    only these parts
    python -m benchmarks.curvature --only time --again       measure them anew
    python -m benchmarks.curvature --small                   tiny sizes, to a file of their own: does it run?

Each part is a list of items; the file is written after each, and an item that stands in it is not measured again, so
a run that was killed goes on where it was. The machine's lock is held meanwhile: time is measured alone.
"""

from __future__ import annotations

import argparse

from benchmarks.curvature.plan import PARTS, run
from benchmarks.lock import machine_lock


def main() -> None:
    """Run what is missing and say what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART")
    parser.add_argument("--again", action="store_true", help="measure items anew that were measured")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to curvature-small.json")
    options = parser.parse_args()
    with machine_lock("python -m benchmarks.curvature"):
        run(options.only, again=options.again, small=options.small)


if __name__ == "__main__":
    main()
