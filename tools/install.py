"""Create the virtual environment and install the project into it, under the pinned versions.

    python3 tools/install.py .venv [--torch REQUIREMENT] [--installer auto|pip|uv] [-- ARGUMENTS FOR THE INSTALLER]

Standard library only, because it runs before anything is installed. Quiet unless it fails; at the end it
prints what was installed, how large it is and how long it took, and writes the same to `installed.json`,
the file that tells `make` that the work is done. Packages already there are kept where they fit. Asked again
for what `installed.json` says is there, it does nothing.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

OLDEST_PYTHON = (3, 11)
SHOWN = (
    "torch",
    "transformers",
    "peft",
    "trl",
    "accelerate",
    "datasets",
    "pydantic",
    "openai",
    "numpy",
    "scipy",
)
HEARTBEAT_SECONDS = 30
INPUTS = (Path("pyproject.toml"), Path("constraints.txt"), Path(__file__))
"""An installation is done anew where one of these is younger than it."""


def main() -> int:
    if sys.version_info < OLDEST_PYTHON:
        print(
            f"Python {sys.version.split()[0]} is too old: name a newer one, as in `make setup PYTHON=python3.12`."
        )
        return 2
    chosen = arguments()
    if is_there(chosen):
        return 0
    environment, log = chosen.environment, chosen.environment / "install.log"
    started = time.monotonic()
    create(environment)
    log.write_text("")
    if not install(chosen, log):
        print(last_lines(log))
        print(
            f"\nThe installation failed; the whole log is {log}. Behind a slow network, `make setup` again goes on."
        )
        return 1
    summary = {"asked": asked(chosen), **describe(environment, time.monotonic() - started)}
    (environment / "installed.json").write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("environment", type=Path)
    parser.add_argument("--torch", default="", help="a requirement for PyTorch, such as torch==2.13.0+cpu")
    parser.add_argument("--installer", choices=("auto", "pip", "uv"), default="auto")
    ours = sys.argv[1:]
    at = ours.index("--") if "--" in ours else len(ours)
    chosen = parser.parse_args(ours[:at])
    chosen.passed_on = ours[at + 1 :]
    return chosen


def asked(chosen: argparse.Namespace) -> dict[str, object]:
    """What was asked for beside the pinned versions."""
    return {"torch": chosen.torch, "arguments": chosen.passed_on}


def is_there(chosen: argparse.Namespace) -> bool:
    """Whether just this was installed already, from the inputs as they are."""
    stamp = chosen.environment / "installed.json"
    if not stamp.is_file() or any(path.stat().st_mtime > stamp.stat().st_mtime for path in INPUTS):
        return False
    return bool(json.loads(stamp.read_text("utf-8")).get("asked") == asked(chosen))


def create(environment: Path) -> None:
    """Make the environment unless it is there. It always holds pip, which also brings the open model."""
    if (environment / "bin" / "python").exists():
        return
    made = subprocess.run([sys.executable, "-m", "venv", str(environment)], capture_output=True, text=True)
    if made.returncode == 0:
        return
    shutil.rmtree(environment, ignore_errors=True)
    if shutil.which("uv") is None:
        sys.exit(
            f"{made.stdout}{made.stderr}\nPython's venv module does not work here (on Debian: python3-venv)."
        )
    subprocess.run(
        ["uv", "venv", "--quiet", "--seed", "--python", sys.executable, str(environment)], check=True
    )


def install(chosen: argparse.Namespace, log: Path) -> bool:
    """Install with uv where it is found, else with pip; where uv fails, say so and let pip try."""
    wanted = ["--constraint", "constraints.txt", "--editable", ".[all]", *development_requirements()]
    wanted += [chosen.torch] if chosen.torch else []
    wanted += chosen.passed_on
    if chosen.installer == "uv" or (chosen.installer == "auto" and shutil.which("uv")):
        if run([*uv_command(chosen.environment), *wanted], log):
            return True
        if chosen.installer == "uv":
            return False
        print("uv could not install this (its lines are in the log); trying pip.")
    return run([*pip_command(chosen.environment), *wanted], log)


def pip_command(environment: Path) -> list[str]:
    python = str(environment / "bin" / "python")
    return [
        python,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar",
        "off",
    ]


def uv_command(environment: Path) -> list[str]:
    """uv does not read pip's settings: the one that this project's users set most is passed on."""
    command = ["uv", "pip", "install", "--python", str(environment / "bin" / "python")]
    for place in os.environ.get("PIP_FIND_LINKS", "").split():
        command += ["--find-links", place]
    return command


def development_requirements() -> list[str]:
    """Read the dev group here: only pip 25.1 and later know `--group`."""
    import tomllib

    groups = tomllib.loads(Path("pyproject.toml").read_text("utf-8"))["dependency-groups"]
    return [str(requirement) for requirement in groups["dev"]]


def run(command: list[str], log: Path) -> bool:
    print(f"Installing with {'uv' if command[0] == 'uv' else 'pip'}; what it says goes to {log}.", flush=True)
    started = time.monotonic()
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"$ {shlex.join(command)}\n")
        stream.flush()
        process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        while True:
            try:
                return process.wait(timeout=HEARTBEAT_SECONDS) == 0
            except subprocess.TimeoutExpired:
                print(f"  still installing, {time.monotonic() - started:.0f} s", flush=True)


def last_lines(log: Path, count: int = 40) -> str:
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-count:])


def describe(environment: Path, seconds: float) -> dict[str, object]:
    """Print what is in the environment now and return it."""
    packages = installed_versions(environment)
    size = folder_bytes(environment)
    shown = ", ".join(f"{name} {packages[name]}" for name in SHOWN if name in packages)
    print(f"Installed {len(packages)} packages: {shown}, ...")
    print(f"{environment} takes {size / 1e9:.2f} GB; the installation took {seconds:.0f} s.")
    return {"seconds": round(seconds, 1), "bytes": size, "packages": packages}


def installed_versions(environment: Path) -> dict[str, str]:
    places = [str(place) for place in (environment / "lib").glob("python*/site-packages")]
    found = importlib.metadata.distributions(path=places)
    return {
        found_one.metadata["Name"]: found_one.version
        for found_one in sorted(found, key=lambda one: one.name.lower())
    }


def folder_bytes(folder: Path) -> int:
    """Size on disk of everything under `folder`, each hard-linked file once."""
    sizes = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        sizes[status.st_dev, status.st_ino] = status.st_blocks * 512
    return sum(sizes.values())


if __name__ == "__main__":
    sys.exit(main())
