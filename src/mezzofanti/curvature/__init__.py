"""The mean curvature measure: films that carry a load, and the measure of a surface that is not smooth.

    from mezzofanti.curvature import Mesh, on_curve, solve_dirichlet

    film = solve_dirichlet(Mesh.disc(refinement=5), on_curve([(-0.5, 0), (0.5, 0)], 1.2), boundary=0.0)
    film.values, film.outcome, film.steepness.max(), film.measure.total()

The names are loaded when first used: `import mezzofanti.curvature` alone loads neither scipy nor matplotlib.
Source: Q. Dai, N. S. Trudinger, X.-J. Wang, "The mean curvature measure", J. Eur. Math. Soc. 14 (2012),
779-800, doi:10.4171/JEMS/318, arXiv:0912.0341.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mezzofanti.lazy import lazy

if TYPE_CHECKING:
    from mezzofanti.curvature import exact
    from mezzofanti.curvature.adaptive import AdaptiveFilm, refined_at, solve_adaptively
    from mezzofanti.curvature.admissible import CriticalLoad, critical_load
    from mezzofanti.curvature.curvature import NodalMeasure, mean_curvature_measure
    from mezzofanti.curvature.film import Detachment, Film
    from mezzofanti.curvature.fitting import fit_mesh
    from mezzofanti.curvature.flat import flat_distance
    from mezzofanti.curvature.harnack import harnack_quotient
    from mezzofanti.curvature.indicator import error_indicator
    from mezzofanti.curvature.measures import Measure, density, on_curve, on_surface, point_mass
    from mezzofanti.curvature.mesh import Mesh
    from mezzofanti.curvature.necessary import InadmissibleLoad
    from mezzofanti.curvature.perron import perron_lift, perron_sequence, perron_solution
    from mezzofanti.curvature.plot import draw_film
    from mezzofanti.curvature.problem import solve_problem
    from mezzofanti.curvature.quadratic import QuadraticFilm
    from mezzofanti.curvature.solve import solve_dirichlet
    from mezzofanti.curvature.subharmonic import is_subharmonic

__all__ = [
    "AdaptiveFilm",
    "CriticalLoad",
    "Detachment",
    "Film",
    "InadmissibleLoad",
    "Measure",
    "Mesh",
    "NodalMeasure",
    "QuadraticFilm",
    "critical_load",
    "density",
    "draw_film",
    "error_indicator",
    "exact",
    "fit_mesh",
    "flat_distance",
    "harnack_quotient",
    "is_subharmonic",
    "mean_curvature_measure",
    "on_curve",
    "on_surface",
    "perron_lift",
    "perron_sequence",
    "perron_solution",
    "point_mass",
    "refined_at",
    "solve_adaptively",
    "solve_dirichlet",
    "solve_problem",
]

_HOMES = {
    "AdaptiveFilm": "adaptive",
    "CriticalLoad": "admissible",
    "Detachment": "film",
    "Film": "film",
    "InadmissibleLoad": "necessary",
    "Measure": "measures",
    "Mesh": "mesh",
    "NodalMeasure": "curvature",
    "QuadraticFilm": "quadratic",
    "critical_load": "admissible",
    "density": "measures",
    "draw_film": "plot",
    "error_indicator": "indicator",
    "exact": "",
    "fit_mesh": "fitting",
    "flat_distance": "flat",
    "harnack_quotient": "harnack",
    "is_subharmonic": "subharmonic",
    "mean_curvature_measure": "curvature",
    "on_curve": "measures",
    "on_surface": "measures",
    "perron_lift": "perron",
    "perron_sequence": "perron",
    "perron_solution": "perron",
    "point_mass": "measures",
    "refined_at": "adaptive",
    "solve_adaptively": "adaptive",
    "solve_dirichlet": "solve",
    "solve_problem": "problem",
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
