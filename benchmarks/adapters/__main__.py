"""The benchmarks of the adapters: MALoRA against LoRA, and against other mixtures.

    python -m benchmarks.adapters parameters     how many parameters are trained, by formula and counted
    python -m benchmarks.adapters speed          how long a training step is, and what it keeps in memory
    python -m benchmarks.adapters peer           MoE-PEFT's own code beside it, in an environment of its own
    python -m benchmarks.adapters quality        what is learned from mixed tasks, cell by cell; hours
    python -m benchmarks.adapters reproduce      the paper's own tables, on a GPU with the hub

Each says more with --help. Results are JSON in benchmarks/results.
"""

from __future__ import annotations

import argparse
import sys
from types import ModuleType

from benchmarks.adapters import parameters, peer, quality, reproduce, speed
from mezzofanti.errors import MezzofantiError

BENCHMARKS: dict[str, ModuleType] = {
    "parameters": parameters,
    "speed": speed,
    "peer": peer,
    "quality": quality,
    "reproduce": reproduce,
}


def main() -> None:
    """Run the benchmark that is asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="benchmark", required=True)
    for name, module in BENCHMARKS.items():
        said = (module.__doc__ or "").strip()
        command = commands.add_parser(
            name,
            help=said.split("\n")[0],
            description=said,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_options(command)
    options = parser.parse_args()
    try:
        BENCHMARKS[options.benchmark].main(options)
    except MezzofantiError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
