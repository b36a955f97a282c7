"""An open model of the hub in a folder: fetched, or copied from the Hugging Face cache if the hub does not answer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

from mezzofanti.errors import BaseUnavailableError, require

__all__ = ["Snapshot", "take"]

UNWANTED = ["*.gguf", "*.onnx", "*.bin", "onnx/*"]
OTHERWISE = "Check the name and the connection, or use smollm2-135m, which the package index carries."
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json")
Say = Callable[[str], None]


class Snapshot(NamedTuple):
    """Which revision of a model was taken, and its licence."""

    revision: str
    license: str


def take(hub_id: str, folder: Path, say: Say) -> Snapshot:
    """Fill `folder` with a model of the hub, without other forms of its weights; half a download is gone on with.

    Raises `BaseUnavailableError` where the hub refuses it, where neither the hub nor its cache on this machine gives
    it, and where it has no weights in safetensors.
    """
    require("train", "huggingface_hub")
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    try:
        found = _fetched(hub_id, folder, say)
    except GatedRepoError:
        raise BaseUnavailableError(
            f"The hub gives {hub_id} only to those who accepted its licence.",
            cure="Accept it on the model's page, run `hf auth login`, then the same command again.",
        ) from None
    except (RepositoryNotFoundError, HFValidationError):
        raise BaseUnavailableError(
            f"The hub did not give {hub_id}: it has no such model, or a private one.",
            cure=f"{OTHERWISE} For a private one: `hf auth login`.",
        ) from None
    except Exception as error:  # the client's other errors share no base, and all mean the same here
        found = _copied(hub_id, folder, say, error)
    if not _has_weights(folder):
        raise BaseUnavailableError(f"{hub_id} has no weights in safetensors.", cure=OTHERWISE)
    return found


def _fetched(hub_id: str, folder: Path, say: Say) -> Snapshot:
    from huggingface_hub import HfApi, snapshot_download

    info = HfApi().model_info(hub_id, files_metadata=True)
    size = sum(file.size or 0 for file in info.siblings or () if _wanted(file.rfilename))
    say(f"Fetching {hub_id} from the hub: {size / 1e6:,.0f} MB.")
    snapshot_download(
        hub_id, revision=info.sha, local_dir=folder, ignore_patterns=UNWANTED, tqdm_class=_bar()
    )
    return Snapshot(str(info.sha), _licence(info.card_data))


def _wanted(name: str) -> bool:
    return not any(fnmatch(name, pattern) for pattern in UNWANTED)


def _bar() -> Any:
    """The hub's bars on a terminal, also where they are turned off so that models load quietly."""
    from tqdm.auto import tqdm

    class Bar(tqdm):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            # None: a bar on a terminal, nothing elsewhere
            super().__init__(*arguments, **{**options, "disable": None})

    return Bar


def _copied(hub_id: str, folder: Path, say: Say, error: Exception) -> Snapshot:
    """Copy what another program fetched before; `error` says why the hub did not give it."""
    kept = _kept(hub_id)
    if kept is None:
        raise BaseUnavailableError(
            f"The hub did not give {hub_id} ({type(error).__name__}), and its cache here does not hold all of it.",
            cure=OTHERWISE,
        ) from None
    say(
        f"The hub does not answer ({type(error).__name__}): copying {hub_id} from the Hugging Face cache, {kept}."
    )
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(kept, folder, ignore=shutil.ignore_patterns(*UNWANTED, "onnx"))
    return Snapshot(kept.name, _licence_told(folder / "README.md"))


def _kept(hub_id: str) -> Path | None:
    """The newest revision in the cache, if a whole model is there: programs fetch single files as well."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(hub_id, "config.json")
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    tokenizer = any((folder / name).is_file() for name in TOKENIZERS)
    return folder if tokenizer and _has_weights(folder) else None


def _has_weights(folder: Path) -> bool:
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return any(folder.glob("*.safetensors"))
    parts = json.loads(index.read_text("utf-8"))["weight_map"].values()
    return all((folder / part).is_file() for part in parts)


def _licence_told(card: Path) -> str:
    from huggingface_hub import ModelCard

    return (
        _licence(ModelCard.load(card, ignore_metadata_errors=True).data) if card.is_file() else _licence(None)
    )


def _licence(card_data: Any) -> str:
    return str(getattr(card_data, "license", None) or "not stated")
