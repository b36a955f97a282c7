"""The house as drawn in docs/architecture.md: one direction of imports, light doors, small files."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

LONGEST_FILE = 300
LONGEST_FUNCTION = 45
HEAVY = (
    *("torch", "transformers", "peft", "trl", "accelerate", "datasets", "tokenizers", "safetensors"),
    *("openai", "matplotlib", "scipy", "skfem", "sacrebleu", "pandas"),
)
PROGRAMS = {"evaluation/inside.py"}
"""Files that are run as programs of their own: what the sandbox starts takes its limits from its arguments."""

SOURCE = Path(__file__).parents[1] / "src" / "mezzofanti"


def loaded_after(statement: str) -> set[str]:
    """Names of the packages that a fresh Python holds after it ran `statement`."""
    code = f"import sys\n{statement}\nprint(','.join({{name.split('.')[0] for name in sys.modules}}), file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return set(result.stderr.strip().split("\n")[-1].split(","))


HELP = """
from mezzofanti.cli import main
sys.argv = ["mezzo", "--help"]
try:
    main()
except SystemExit as ended:
    assert not ended.code
"""


@pytest.mark.parametrize(
    "statement",
    [
        "import mezzofanti",
        "import mezzofanti; dir(mezzofanti); mezzofanti.MezzofantiError",
        "import mezzofanti.records, mezzofanti.bases",
        "import mezzofanti.corpus",
        "import mezzofanti.continual; mezzofanti.continual.LearnerFolder",
        "import mezzofanti.curvature",
        "import mezzofanti.evaluation",
        "import mezzofanti.report",
        HELP,
    ],
)
def test_doors_are_light(statement: str) -> None:
    assert not loaded_after(statement) & set(HEAVY)


def test_a_heavy_import_would_be_seen() -> None:
    assert "safetensors" in loaded_after("import safetensors")


def test_imports_go_one_way(repository: Path) -> None:
    tool = Path(sys.executable).parent / "lint-imports"
    result = subprocess.run([str(tool), "--no-cache"], cwd=repository, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


def test_every_room_stands_in_the_layers(repository: Path) -> None:
    settings = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    named = {room.strip() for layer in layers for room in layer.split("|")}
    rooms = {
        path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert named == {f"mezzofanti.{room}" for room in rooms - {"__init__"}}


def test_types_are_strict_and_warnings_are_errors(repository: Path) -> None:
    tools = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["tool"]
    assert tools["mypy"]["strict"] is True
    assert tools["pytest"]["ini_options"]["filterwarnings"][0] == "error"
    assert (SOURCE / "py.typed").exists()


def test_files_are_short() -> None:
    lines = {
        str(path.relative_to(SOURCE)): len(path.read_text("utf-8").splitlines())
        for path in SOURCE.rglob("*.py")
    }
    assert {name: count for name, count in lines.items() if count > LONGEST_FILE} == {}


def test_functions_are_short() -> None:
    lengths = {
        f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in SOURCE.rglob("*.py")
        for node in functions(path)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_nothing_below_the_command_line_reads_the_environment() -> None:
    readers = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).parts[0] != "cli" and str(path.relative_to(SOURCE)) not in PROGRAMS
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in {("os", "environ"), ("os", "getenv"), ("sys", "argv")}
    ]
    assert readers == []


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
