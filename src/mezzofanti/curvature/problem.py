"""A film problem written down in YAML, solved, and written out.

schema: 1
domain: {shape: disc, radius: 1.0, refinement: 6}
boundary: 0.15 * cos(3 * theta)
loads:
  - line: [[-0.6, 0.0], [0.6, 0.0]]
    mass_per_length: 1.2
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from mezzofanti.curvature.admission import weigh
from mezzofanti.curvature.expression import parse_field
from mezzofanti.curvature.film import Film
from mezzofanti.curvature.filmfiles import check_formats
from mezzofanti.curvature.fitting import fit_mesh
from mezzofanti.curvature.measures import Measure, density, on_curve, point_mass
from mezzofanti.curvature.mesh import Mesh
from mezzofanti.curvature.newton import Step
from mezzofanti.curvature.recipefaults import explained, read_recipe, refuse_unknown_keys
from mezzofanti.curvature.results import write_results
from mezzofanti.curvature.solve import solve_dirichlet
from mezzofanti.errors import ConfigurationError

__all__ = ["Problem", "read_problem", "solve_problem"]

Number = float | str  # a number, or a formula in x and y
Pair = tuple[float, float]
MOST_NODES = 5_000_000  # Beyond it a typing error is likelier than a wish, and memory runs out.
Divisions = Annotated[int, Field(ge=1, le=2048)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _refuse_too_many(nodes: float) -> None:
    if nodes > MOST_NODES:
        raise ConfigurationError(
            f"The domain would be meshed with some {nodes:.0e} nodes, and {MOST_NODES:,} is the most.",
            cure="Take fewer refinements, or a larger size.",
        )


class DiscDomain(_Frozen):
    """2**refinement rings about the center: refinement 5 is 3169 nodes, 6 is 12481, 7 is 49537."""

    shape: Literal["disc"] = "disc"
    radius: float = Field(default=1.0, gt=0)
    center: Pair = (0.0, 0.0)
    refinement: int = Field(default=6, ge=1, le=10)

    def mesh(self, folder: Path) -> Mesh:
        return Mesh.disc(self.radius, self.center, self.refinement)


class RectangleDomain(_Frozen):
    """Right triangles; powers of 2 let the solver begin on a coarse mesh."""

    shape: Literal["rectangle"] = "rectangle"
    lower: Pair = (0.0, 0.0)
    upper: Pair = (1.0, 1.0)
    divisions: Divisions | tuple[Divisions, Divisions] = 64

    def mesh(self, folder: Path) -> Mesh:
        if self.lower[0] >= self.upper[0] or self.lower[1] >= self.upper[1]:
            raise ConfigurationError(
                f"The rectangle from {self.lower} to {self.upper} is empty.",
                cure="Let lower be its lower left corner and upper its upper right one.",
            )
        return Mesh.rectangle(self.lower, self.upper, self.divisions)


class PolygonDomain(_Frozen):
    """A polygon given by its corners, meshed with sides near `size`, cut in four `refinement` times."""

    shape: Literal["polygon"] = "polygon"
    corners: tuple[Pair, ...] = Field(min_length=3)
    size: float = Field(default=0.1, gt=0)
    refinement: int = Field(default=0, ge=0, le=8)

    def mesh(self, folder: Path) -> Mesh:
        width, height = np.ptp(np.array(self.corners), axis=0)
        _refuse_too_many(1.2 * width * height / self.size**2 * 4**self.refinement)
        return Mesh.polygon(self.corners, self.size).refined(self.refinement)


class MeshDomain(_Frozen):
    """A file of points and triangles (JSON, or what meshio reads), cut in four `refinement` times."""

    shape: Literal["mesh"] = "mesh"
    file: str
    refinement: int = Field(default=0, ge=0, le=8)

    def mesh(self, folder: Path) -> Mesh:
        coarse = Mesh.read(folder / self.file)
        _refuse_too_many(len(coarse.points) * 4.0**self.refinement)
        return coarse.refined(self.refinement)


_DOMAINS: dict[str, type[_Frozen]] = {
    "disc": DiscDomain,
    "rectangle": RectangleDomain,
    "polygon": PolygonDomain,
    "mesh": MeshDomain,
}


class DensityLoad(_Frozen):
    """Mass per unit of area."""

    density: Number

    def measure(self) -> Measure:
        return density(_value(self.density), name=str(self.density))


class LineLoad(_Frozen):
    """Mass per unit of length along a polygonal line."""

    line: tuple[Pair, ...] = Field(min_length=2)
    mass_per_length: Number
    closed: bool = False

    def measure(self) -> Measure:
        return on_curve(
            self.line, _value(self.mass_per_length), closed=self.closed, name=str(self.mass_per_length)
        )


class PointLoad(_Frozen):
    """Understood, so that it can be refused with the reason."""

    point: Pair
    mass: float

    def measure(self) -> Measure:
        return point_mass(self.point, self.mass)


_LOADS: dict[str, type[_Frozen]] = {"density": DensityLoad, "line": LineLoad, "point": PointLoad}


def _kind(load: Any) -> str | None:
    """Return which load this is: the key that only its kind has."""
    return next(
        (
            kind
            for kind in _LOADS
            if isinstance(load, _LOADS[kind]) or (isinstance(load, dict) and kind in load)
        ),
        None,
    )


Load = Annotated[
    Annotated[DensityLoad, Tag("density")]
    | Annotated[LineLoad, Tag("line")]
    | Annotated[PointLoad, Tag("point")],
    Discriminator(_kind),
]


class Problem(_Frozen):
    """What `mezzo curvature solve` is asked."""

    version: Literal[1] = Field(default=1, alias="schema")
    title: str = ""
    domain: Annotated[
        DiscDomain | RectangleDomain | PolygonDomain | MeshDomain, Field(discriminator="shape")
    ] = DiscDomain()
    boundary: Number = 0.0
    loads: tuple[Load, ...] = ()
    relaxed: bool = True  # the film may leave its boundary values where it must

    def measure(self) -> Measure:
        """Return the sum of the loads."""
        return sum((load.measure() for load in self.loads), Measure())


def read_problem(path: Path | str) -> Problem:
    """Read a problem from YAML. Raises ConfigurationError: one line, with the nearest name for an unknown key."""
    path = Path(path)
    content = read_recipe(path)
    top = [field.alias or name for name, field in Problem.model_fields.items()]
    refuse_unknown_keys(content, path, top, _DOMAINS, _LOADS)
    try:
        return Problem.model_validate(content)
    except ValidationError as error:
        raise explained(error, path, content) from None


def solve_problem(
    path: Path | str,
    output_folder: Path | str,
    *,
    formats: Sequence[str] = ("vtu",),
    on_step: Callable[[Step], None] | None = None,
) -> Film:
    """Solve the problem of a recipe and write it out; return the film.

    Writes solution.json (summary), timings.json, nodes.parquet (x, y, u, prescribed and measured mass),
    triangles.parquet (corners a, b, c and flux), film.png and film.html. formats: files for other programs, of "vtu"
    (film.vtu) and "xdmf" (film.xdmf with its numbers in film.h5), or none. Raises ConfigurationError, DataError,
    SolverError, and InadmissibleLoad for more than a film can hold; then nothing is written.
    """
    chosen = check_formats(formats)
    problem = read_problem(path)
    measure = problem.measure()
    mesh = fit_mesh(problem.domain.mesh(Path(path).parent), measure)
    if not len(mesh.interior):
        raise ConfigurationError(
            f"{path}: the domain's mesh has no node inside.",
            cure="Take more divisions or refinements, or a smaller size.",
        )
    film = solve_dirichlet(mesh, measure, _value(problem.boundary), relaxed=problem.relaxed, on_step=on_step)
    asked = problem.model_dump(mode="json", by_alias=True)
    write_results(film, Path(output_folder), asked, problem.title, weigh(mesh, measure), chosen)
    return film


def _value(number: Number) -> Any:
    return parse_field(number) if isinstance(number, str) else number
