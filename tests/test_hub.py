"""Models of the hub: a hub on this machine, asked by the real client, and the client's cache where no hub answers."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mezzofanti.bases import resolve
from mezzofanti.errors import BaseUnavailableError

SHA = "c" * 40
FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "model.safetensors": b"w" * 3_000_000,
    "onnx/model.onnx": b"x" * 9_000_000,
    "README.md": b"---\nlicense: mit\n---\n",
}


class Hub(BaseHTTPRequestHandler):
    """One open model, `some/open`, and one behind a licence, `some/gated`."""

    def do_GET(self) -> None:
        path = self.path.split("?")[0].strip("/")
        owner_model = "/".join(path.removeprefix("api/models/").split("/")[:2])
        if "none" in owner_model or not owner_model.startswith("some/"):
            self.answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif path == f"api/models/{owner_model}":
            siblings = [{"rfilename": name, "size": len(content)} for name, content in FILES.items()]
            about = {"id": owner_model, "sha": SHA, "siblings": siblings, "cardData": {"license": "mit"}}
            self.answer(200, json.dumps(about).encode())
        elif "/tree/" in path:
            tree = [
                {"type": "file", "path": n, "size": len(c), "oid": hashlib.sha1(c).hexdigest()}
                for n, c in FILES.items()
            ]
            self.answer(200, json.dumps(tree).encode())
        elif "gated" in owner_model:
            self.answer(403, b"{}", {"X-Error-Code": "GatedRepo"})
        else:
            content = FILES[path.split(f"resolve/{SHA}/")[1]]
            mark = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": SHA}
            self.answer(200, content, mark)

    do_HEAD = do_GET

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    """Address of a hub on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def mezzo_base(
    name: str, hub: str, folder: Path, stderr: Any = subprocess.PIPE
) -> subprocess.CompletedProcess[str]:
    """`mezzo base NAME` as a program of its own: the client reads its settings once, when it is imported."""
    environment = {**os.environ, "HF_ENDPOINT": hub, "HF_HUB_OFFLINE": "0", "HF_HOME": str(folder / "hf")}
    environment |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    command = [sys.executable, "-m", "mezzofanti.cli", "--cache", str(folder / "bases"), "base", name]
    return subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        timeout=120,
    )


def read_all(terminal: int) -> str:
    """What was shown on a terminal until its last user left."""
    shown = b""
    with contextlib.suppress(OSError):  # Linux's way to say that it is over
        while part := os.read(terminal, 4096):
            shown += part
    return shown.decode()


def test_a_download_says_its_size_and_shows_a_bar_on_a_terminal(hub: str, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read_all, ours)
        result = mezzo_base("some/open", hub, tmp_path, stderr=theirs)
        os.close(theirs)
        shown = reading.result()
    os.close(ours)
    assert result.returncode == 0, result.stdout + shown
    assert result.stdout.splitlines()[0] == "Fetching some/open from the hub: 3 MB."
    assert f"base      some/open at revision {SHA}\nlicence   mit" in result.stdout
    assert "100%" in shown
    folder = tmp_path / "bases" / "some--open"
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert not (folder / "onnx").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "some/gated",
            "only to those who accepted its licence. Accept it on the model's page, run `hf auth login`",
        ),
        (
            "some/none",
            "The hub did not give some/none: it has no such model, or a private one. Check the name",
        ),
    ],
)
def test_what_the_hub_refuses_is_one_line(name: str, says: str, hub: str, tmp_path: Path) -> None:
    result = mezzo_base(name, hub, tmp_path)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert says in result.stderr


# ---- no hub answers: tests run with HF_HUB_OFFLINE=1 ------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A whole model as the client keeps it: a link a file, to a blob."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    model = tmp_path / "hf" / "models--some--open"
    folder = model / "snapshots" / SHA
    folder.mkdir(parents=True)
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(SHA)
    (model / "blobs").mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (model / "blobs" / name).write_bytes(FILES[name])
        (folder / name).symlink_to(model / "blobs" / name)
    (folder / "pytorch_model.bin").write_bytes(b"another form")
    return folder


def test_offline_a_model_of_the_clients_cache_is_copied(kept: Path, tmp_path: Path) -> None:
    said: list[str] = []
    base = resolve("some/open", cache=tmp_path / "bases", say=said.append)
    assert (base.name, base.origin, base.license) == (
        "some/open",
        f"some/open at revision {SHA}",
        "not stated",
    )
    assert said[0].startswith("The hub does not answer (OfflineModeIsEnabled): copying some/open from the ")
    files = {path.name for path in base.path.iterdir()}
    assert files == {"config.json", "tokenizer.json", "model.safetensors", "mezzofanti.json"}
    assert not (base.path / "model.safetensors").is_symlink()
    assert resolve("some/open", cache=tmp_path / "bases", say=said.append) == base
    assert len(said) == 1


def test_the_licence_is_read_off_a_card_that_was_kept(kept: Path, tmp_path: Path) -> None:
    (kept / "README.md").write_bytes(FILES["README.md"])
    assert resolve("some/open", cache=tmp_path / "bases", say=str).license == "mit"


@pytest.mark.parametrize("lost", ["config.json", "tokenizer.json", "model.safetensors", "a part"])
def test_half_a_model_in_the_cache_is_not_taken(lost: str, kept: Path, tmp_path: Path) -> None:
    if lost == "a part":
        parts = {"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}
        (kept / "model.safetensors.index.json").write_text(json.dumps(parts))
    else:
        (kept / lost).unlink()
    work = tmp_path / "bases" / ".some--open.work"
    work.mkdir(parents=True)
    (work / "half").write_text("of a download")
    with pytest.raises(BaseUnavailableError, match="its cache here does not hold all of it") as caught:
        resolve("some/open", cache=tmp_path / "bases", say=str)
    assert "smollm2-135m" in caught.value.cure
    assert (work / "half").exists()
