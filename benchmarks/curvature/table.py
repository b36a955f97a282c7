"""The result file as tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

__all__ = ["tables"]


def tables(found: dict[str, Any]) -> str:
    """Return a table for each part that was measured."""
    parts = {
        "orders": _orders,
        "measure": _measure,
        "critical_load": _critical,
        "seconds": _seconds,
        "speedups": _speedups,
        "robustness": _robustness,
    }
    return "\n\n".join("\n".join(make(found)) for key, make in parts.items() if key in found)


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|---|" + "---:|" * (len(head) - 1)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _orders(found: dict[str, Any]) -> Iterator[str]:
    rows = []
    for case, order in found["orders"].items():
        said = [f"{order[norm]:.2f}" if order[norm] is not None else "exact" for norm in ("l2", "h1")]
        levels = found["measured"]["orders"][case]
        if isinstance(levels, dict) and "levels" in levels:
            last = levels["levels"][-1]
            said += [f"{last['unknowns']:,}", f"{last['l2']:.1e}", f"{last['h1']:.1e}"]
        else:
            said += ["", f"at most {order['largest_error']:.0e} at a node", ""]
        rows.append([f"`{case}`", *said])
    yield from _rows(["case", "order in L2", "in H1", "unknowns, finest", "error in L2", "in H1"], rows)


def _measure(found: dict[str, Any]) -> Iterator[str]:
    rows = [
        [
            f"`{name}`",
            f"{one['mean_mass']:.3f}",
            *(f"{level['mean_error']:.1e}" for level in one["levels"]),
            f"{one['rate']:.2f}",
        ]
        for name, one in found["measure"].items()
    ]
    cells = [str(level["cells"]) for level in next(iter(found["measure"].values()))["levels"]]
    yield from _rows(
        ["surface", "mean mass of a box", *(f"mean error, {count}²" for count in cells), "rate"], rows
    )


def _critical(found: dict[str, Any]) -> Iterator[str]:
    rows = [
        [
            f"`{name}`",
            f"{one['value']:.4f}",
            f"{one['reference']:.4f}",
            f"{100 * one['error']:+.2f} %",
            f"{one['lower']:.4f} to {one['upper']:.4f}",
            f"{one['seconds']:.1f}",
        ]
        for name, one in found["critical_load"].items()
    ]
    yield from _rows(["domain", "λ*", "reference", "error", "bounds", "seconds"], rows)


def _seconds(found: dict[str, Any]) -> Iterator[str]:
    rows = []
    for unknowns, seconds in sorted(found["seconds"].items(), key=lambda pair: int(pair[0])):
        apart = found["seconds_apart"][unknowns]
        rows.append(
            [
                f"{int(unknowns):,}",
                f"{seconds:.2f}",
                *(f"{apart[key]:.2f}" for key in ("check", "solve", "mesh")),
            ]
        )
    yield from _rows(["unknowns", "seconds in all", "of it the check", "the film", "before: the mesh"], rows)
    if "times_linear" in found:
        yield f"\nFrom first to last, {found['times_linear']:.2f} times linear."


def _speedups(found: dict[str, Any]) -> Iterator[str]:
    names = list(dict.fromkeys(name for one in found["speedups"].values() for name in one))
    rows = [
        [f"{int(unknowns):,}", *(f"{one[name]:.2f}" if name in one else "" for name in names)]
        for unknowns, one in found["speedups"].items()
    ]
    yield from _rows(["unknowns", *(f"`{name}`, times our seconds" for name in names)], rows)


def _robustness(found: dict[str, Any]) -> Iterator[str]:
    totals = found["robustness"]
    shown = (
        "problems",
        "right",
        "radial",
        "radial_right",
        "to_refuse",
        "refused_rightly",
        "refused_wrongly",
        "refused_with_proof",
        "tracebacks",
    )
    yield from _rows([name.replace("_", " ") for name in shown], [[str(totals[name]) for name in shown]])
    said = ", ".join(f"{name} {count}" for name, count in sorted(totals["outcomes"].items()))
    yield f"\nOutcomes: {said}; {totals['seconds'] / 60:.0f} minutes."
