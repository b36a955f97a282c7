"""A thousand random problems: does each end in one of the three outcomes, and in the right one?

Outcomes are "attained", "detached" (with how far) and "refused" (with a region that proves it). Others are counted by
name and none counts as right: "undecided", "not found" (Newton gave up with a sentence), and tracebacks, which are
everything that is not an error of ours. 300 problems are radial: there right means refused where the load is too much,
else attained with heights that 2 % more or less of the load explains (near the
critical load, films change fast with it). Elsewhere right means refused from 1.03 of the critical load on, and a
film below 0.98 of it.
"""

from __future__ import annotations

import os
import time
import traceback
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np

from benchmarks.curvature.problems import Problem, few_enough, general_problem, radial_problem
from mezzofanti.curvature import Film, InadmissibleLoad, solve_dirichlet
from mezzofanti.errors import MezzofantiError

__all__ = ["items", "summary"]

RADIAL, OVERLOADED_RADIAL = 300, 60
GENERAL, OVERLOADED_GENERAL = 700, 140
CHUNK = 50
LOAD, NEAR = 0.02, 0.01  # The right film is an exact one within 2 % of the load, and within 1 % of its depth.


def items(small: bool) -> dict[str, Callable[[], Any]]:
    """Return chunks of problems."""
    if small:
        return {
            "radial_0": partial(_chunk, "radial", range(2), 1),
            "general_0": partial(_chunk, "general", range(3, 5), 1),
        }
    jobs: dict[str, Callable[[], Any]] = {}
    for kind, count in (("radial", RADIAL), ("general", GENERAL)):
        for first in range(0, count, CHUNK):
            jobs[f"{kind}_{first}"] = partial(_chunk, kind, range(first, first + CHUNK), os.cpu_count() or 1)
    return jobs


def summary(measured: dict[str, Any]) -> dict[str, Any]:
    """Return totals."""
    keys = ("problems", "right", "to_refuse", "refused_rightly", "refused_wrongly", "tracebacks", "radial")
    totals: dict[str, Any] = {key: sum(chunk[key] for chunk in measured.values()) for key in keys}
    totals["refused_with_proof"] = sum(chunk.get("refused_with_proof", 0) for chunk in measured.values())
    totals["radial_right"] = sum(chunk["right"] for chunk in measured.values() if chunk["radial"])
    outcomes: Counter[str] = Counter()
    for chunk in measured.values():
        outcomes.update(chunk["outcomes"])
    totals["outcomes"] = dict(outcomes)
    totals["seconds"] = sum(chunk["seconds"] for chunk in measured.values())
    totals["wrong"] = [one for chunk in measured.values() for one in chunk["wrong"]]
    return {"robustness": totals}


def _radial(number: int) -> Problem:
    return radial_problem(number, over=number % (RADIAL // OVERLOADED_RADIAL) == 0)


def _general(number: int) -> Problem:
    return general_problem(number, over=number % (GENERAL // OVERLOADED_GENERAL) == 0)


DRAW: dict[str, Callable[[int], Problem]] = {"radial": _radial, "general": _general}


def _chunk(kind: str, numbers: range, workers: int) -> dict[str, Any]:
    """Solve these problems, in so many processes; nothing here is timed."""
    started = time.perf_counter()
    if workers > 1:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            ends = list(pool.map(partial(_drawn_and_solved, kind), numbers))
    else:
        ends = [_drawn_and_solved(kind, number) for number in numbers]
    return {
        "problems": len(ends),
        "radial": len(ends) if kind == "radial" else 0,
        "right": sum(end["right"] for end in ends),
        "to_refuse": sum(end["share"] > 1 for end in ends),
        "refused_rightly": sum(end["share"] > 1 and end["outcome"] == "refused" for end in ends),
        "refused_wrongly": sum(end["share"] < 1 and end["outcome"] == "refused" for end in ends),
        "refused_with_proof": sum(end.get("proven", False) for end in ends),
        "tracebacks": sum(end["outcome"] == "traceback" for end in ends),
        "outcomes": dict(Counter(end["outcome"] for end in ends)),
        "seconds": time.perf_counter() - started,
        "wrong": [end for end in ends if not end["right"]],
    }


def _drawn_and_solved(kind: str, number: int) -> dict[str, Any]:
    problem = DRAW[kind](number)
    assert few_enough(problem)
    return _end(problem)


def _end(problem: Problem) -> dict[str, Any]:
    """Solve one problem and judge how it ended."""
    end: dict[str, Any] = {"number": problem.number, "kind": problem.kind, "share": problem.share}
    started = time.perf_counter()
    try:
        film = solve_dirichlet(problem.mesh, problem.load, problem.boundary)
    except InadmissibleLoad as refusal:
        end |= {"outcome": "refused", "critical": float(refusal.value), "right": problem.share > 1}
        end |= {"proven": refusal.worst_set is not None and refusal.worst_set.ratio < 1}
    except MezzofantiError as error:
        end |= {"outcome": "not found", "said": str(error), "right": False}
    except Exception:
        end |= {"outcome": "traceback", "said": traceback.format_exc(limit=-3), "right": False}
    else:
        end |= {"outcome": film.outcome, "right": problem.share < 1 and film.outcome != "undecided"}
        if problem.height is not None:
            end |= _against_exact(film, problem)
    end["seconds"] = time.perf_counter() - started
    return end


def _against_exact(film: Film, problem: Problem) -> dict[str, Any]:
    """The film must keep its boundary values, and lie between the exact ones under a little more and less load."""
    assert problem.height is not None
    lower, truth, upper = (
        np.asarray(problem.height(t)(*film.mesh.points.T)) for t in (1 + LOAD, 1, 1 - LOAD)
    )
    depth = max(float(np.ptp(truth)), 1e-12)
    between = (film.u >= lower - NEAR * depth) & (film.u <= upper + NEAR * depth)
    right = film.outcome == "attained" and bool(between.all())
    return {"error": float(np.abs(film.u - truth).max() / depth), "right": right}
