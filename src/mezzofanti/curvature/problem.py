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

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError

from mezzofanti.curvature.admission import weigh
from mezzofanti.curvature.expression import parse_field
from mezzofanti.curvature.film import Film
from mezzofanti.curvature.filmfiles import check_formats
from mezzofanti.curvature.fitting import fit_mesh
from mezzofanti.curvature.measures import Measure, density, on_curve, point_mass
from mezzofanti.curvature.mesh import Mesh
from mezzofanti.curvature.newton import Step
from mezzofanti.curvature.results import write_results
from mezzofanti.curvature.solve import solve_dirichlet
from mezzofanti.errors import ConfigurationError, nearest

__all__ = ["Problem", "read_problem", "solve_problem"]

Number = float | str  # a number, or a formula in x and y
Pair = tuple[float, float]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


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
    divisions: int | tuple[int, int] = 64

    def mesh(self, folder: Path) -> Mesh:
        return Mesh.rectangle(self.lower, self.upper, self.divisions)


class PolygonDomain(_Frozen):
    """A polygon given by its corners, meshed with sides near `size`, cut in four `refinement` times."""

    shape: Literal["polygon"] = "polygon"
    corners: tuple[Pair, ...] = Field(min_length=3)
    size: float = Field(default=0.1, gt=0)
    refinement: int = Field(default=0, ge=0, le=8)

    def mesh(self, folder: Path) -> Mesh:
        return Mesh.polygon(self.corners, self.size).refined(self.refinement)


class MeshDomain(_Frozen):
    """A file of points and triangles (JSON, or what meshio reads), cut in four `refinement` times."""

    shape: Literal["mesh"] = "mesh"
    file: str
    refinement: int = Field(default=0, ge=0, le=8)

    def mesh(self, folder: Path) -> Mesh:
        return Mesh.read(folder / self.file).refined(self.refinement)


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
    try:
        content = yaml.safe_load(Path(path).read_text("utf-8"))
    except OSError:
        raise ConfigurationError(f"There is no recipe {path}.", cure="Check the path.") from None
    except yaml.YAMLError as error:
        line = " ".join(str(error).split())
        raise ConfigurationError(f"{path} is not YAML ({line}).", cure="Mend the line it names.") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"{path} holds no settings.", cure="Begin with `domain:` and `loads:`.")
    _refuse_unknown_keys(content, str(path))
    try:
        return Problem.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(f"{path}, {where}: {first['msg']}.", cure="Mend the value.") from None


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
    film = solve_dirichlet(mesh, measure, _value(problem.boundary), relaxed=problem.relaxed, on_step=on_step)
    asked = problem.model_dump(mode="json", by_alias=True)
    write_results(film, Path(output_folder), asked, problem.title, weigh(mesh, measure), chosen)
    return film


def _value(number: Number) -> Any:
    return parse_field(number) if isinstance(number, str) else number


_DOMAINS: dict[str, type[_Frozen]] = {
    "disc": DiscDomain,
    "rectangle": RectangleDomain,
    "polygon": PolygonDomain,
    "mesh": MeshDomain,
}


def _refuse_unknown_keys(content: dict[str, Any], path: str) -> None:
    """Say which key is unknown and what it may have meant, before pydantic tries every kind of load in turn."""
    top = [field.alias or name for name, field in Problem.model_fields.items()]
    _check_keys(content, top, path, "the recipe")
    domain = content.get("domain", {"shape": "disc"})
    if not isinstance(domain, dict) or domain.get("shape") not in _DOMAINS:
        shape = domain.get("shape") if isinstance(domain, dict) else domain
        raise ConfigurationError(
            f"{path}: {shape!r} is no shape of a domain.", cure=nearest(str(shape), _DOMAINS)
        )
    _check_keys(domain, _DOMAINS[domain["shape"]].model_fields, path, f"a domain of shape {domain['shape']}")
    loads = content.get("loads", [])
    for number, load in enumerate(loads if isinstance(loads, list) else [loads], 1):
        kinds = [kind for kind in _LOADS if isinstance(load, dict) and kind in load]
        if len(kinds) != 1:
            keys = [str(key) for key in load] if isinstance(load, dict) else [str(load)]
            raise ConfigurationError(
                f"{path}, load {number}: one of {', '.join(_LOADS)} must be there, and there is {', '.join(keys)}.",
                cure=nearest(keys[0] if keys else "", _LOADS),
            )
        _check_keys(load, _LOADS[kinds[0]].model_fields, path, f"load {number}")


def _check_keys(given: dict[str, Any], known: Any, path: str, where: str) -> None:
    for key in given:
        if key not in known:
            raise ConfigurationError(f"{path}: {where} has no key {key!r}.", cure=nearest(str(key), known))
