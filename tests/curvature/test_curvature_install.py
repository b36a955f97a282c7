"""The room by itself: a new environment with the wheel and the extra `curvature`, and nothing for language models.

The drill builds the wheel and installs it from the package index that pip is set up with; without one it is skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

UNWANTED = {
    *("torch", "transformers", "peft", "trl", "accelerate", "datasets", "safetensors", "tokenizers"),
    *("huggingface-hub", "openai", "jinja2", "sacrebleu"),
}

RECIPE = """
domain: {shape: disc, refinement: 4}
boundary: 0.1 * cos(3 * theta)
loads:
  - density: 0.3
  - line: [[-0.5, 0], [0.5, 0]]
    mass_per_length: 1.1
"""

PROGRAM = """
import json, sys
from importlib.metadata import distributions

from mezzofanti.curvature import (
    Mesh, critical_load, density, error_indicator, mean_curvature_measure, on_curve, solve_adaptively, solve_dirichlet
)

square = Mesh.rectangle((-1, 1), (-1, 1), cells=16)
wire = on_curve([(0, -1), (0, 1)], weight=2 / 2**0.5)
film = solve_dirichlet(square, wire, boundary=lambda x, y: abs(x))
curved = solve_dirichlet(square, density(0.5), degree=2)
local = solve_adaptively(square, density(0.5), nodes=500).film
print(json.dumps({
    "wrong_by": float(abs(film.values - abs(square.points[:, 0])).max()),
    "mass": film.measure.mass(box=((-0.5, 0.5), (-0.5, 0.5))),
    "middles": len(curved.middles),
    "indicated": len(error_indicator(local.mesh, local.u, density(0.5))) == len(local.mesh.triangles),
    "critical": critical_load(Mesh.rectangle((0, 1), (0, 1), cells=16), density(1.0)).value,
    "crease": mean_curvature_measure(lambda x, y: abs(x), square).mass(box=((-0.5, 0.5), (-0.5, 0.5))),
    "installed": sorted(found.metadata["Name"].lower().replace("_", "-") for found in distributions()),
    "loaded": sorted({name.split(".")[0] for name in sys.modules}),
}))
"""


def run(*command: str | Path, folder: Path, enough: float = 300) -> subprocess.CompletedProcess[str]:
    """Run away from the clone, so that nothing of it is imported by chance."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [str(word) for word in command], cwd=folder, env=kept, capture_output=True, text=True, timeout=enough
    )


def test_the_extra_asks_for_nothing_that_language_models_need(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["curvature"]]
    assert not [line for line in asked if any(line.lower().startswith(name) for name in UNWANTED)]


@pytest.fixture(scope="module")
def programs(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a new environment that holds the built wheel with the extra."""
    folder = tmp_path_factory.mktemp("alone")
    programs = folder / "environment" / ("Scripts" if os.name == "nt" else "bin")
    run(sys.executable, "-m", "venv", folder / "environment", folder=folder).check_returncode()
    pip = (programs / "python", "-m", "pip", "--quiet", "--disable-pip-version-check")
    answer = run(*pip, "download", "--no-deps", "hatchling", "--dest", folder / "answer", folder=folder)
    if answer.returncode:
        pytest.skip(f"no package index answers: {answer.stderr.strip().splitlines()[-1]}")
    built = run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, repository, folder=folder)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("mezzofanti-*.whl")
    wanted = (f"{wheel}[curvature]", "--constraint", repository / "constraints.txt")
    installed = run(*pip, "install", *wanted, folder=folder, enough=1200)
    assert installed.returncode == 0, installed.stderr
    return programs


@pytest.mark.drill
@pytest.mark.timeout(1800)
def test_it_solves_without_what_language_models_need(programs: Path, tmp_path: Path) -> None:
    done = run(programs / "python", "-W", "error", "-c", PROGRAM, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert UNWANTED & set(told["installed"]) == set()
    assert {"mezzofanti", "scipy", "scikit-fem", "meshio", "h5py"} <= set(told["installed"])
    assert {"torch", "transformers"} & set(told["loaded"]) == set()
    assert told["wrong_by"] < 1e-9
    assert told["mass"] == pytest.approx(2**0.5)
    assert told["crease"] == pytest.approx(2**0.5)
    assert told["critical"] == pytest.approx(3.7725, rel=0.01)
    assert told["middles"] > 0
    assert told["indicated"]


@pytest.mark.drill
@pytest.mark.timeout(1800)
def test_its_commands_work_there(programs: Path, tmp_path: Path) -> None:
    for asked in (["--help"], ["--version"], ["curvature", "--help"], ["curvature", "solve", "--help"]):
        told = run(programs / "mezzo", *asked, folder=tmp_path)
        assert (told.returncode, told.stderr) == (0, ""), asked
    (tmp_path / "film.yaml").write_text(RECIPE)
    formats = ("--format", "vtu", "--format", "xdmf")
    done = run(programs / "mezzo", "curvature", "solve", "film.yaml", *formats, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    written = tmp_path / "curvature" / "film"
    assert {path.name for path in written.iterdir()} == {
        *("film.html", "film.png", "film.vtu", "film.xdmf", "film.h5"),
        *("solution.json", "timings.json", "nodes.parquet", "triangles.parquet"),
    }
    assert json.loads((written / "solution.json").read_text())["outcome"] == "attained"
    assert (written / "film.html").read_text("utf-8").count("data:image/png;base64,") == 2
    assert (written / "film.png").read_bytes().startswith(b"\x89PNG")
    code = "import meshio; print(*(len(meshio.read(n).points) for n in ('film.vtu', 'film.xdmf')))"
    assert run(programs / "python", "-c", code, folder=written).stdout.split() == ["817", "817"]
    elsewhere = run(programs / "mezzo", "demo", folder=tmp_path)
    assert elsewhere.returncode == 2
    assert "pip install 'mezzofanti[train]'" in elsewhere.stderr
    assert elsewhere.stderr.count("\n") == 1
