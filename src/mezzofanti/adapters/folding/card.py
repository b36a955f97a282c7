"""The card of a fold: what it stands for, what it cost, and how to load and serve it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mezzofanti.errors import ConfigurationError

if TYPE_CHECKING:
    from peft import LoraConfig

    from mezzofanti.adapters.folding import Folded
    from mezzofanti.adapters.folding.measure import FoldLoss

__all__ = ["VLLM_RANKS", "card", "loss_lines", "served_rank"]

VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM takes for `--max-lora-rank` (`MaxLoRARanks` in its vllm/config/lora.py, version 0.33.0)."""

HOW = {
    "gates": "gates that were given",
    "mean": "the mean gates over calibration rows",
    "regression": "the least-squares linear map over calibration rows, layer by layer",
    "kl": "gates fitted to the routed model's next-token distributions over calibration rows",
}


def served_rank(rank: int) -> int:
    """The smallest `--max-lora-rank` of vLLM that `rank` fits in."""
    for allowed in VLLM_RANKS:
        if rank <= allowed:
            return allowed
    raise ConfigurationError(
        f"Rank {rank} is above the {VLLM_RANKS[-1]} that vLLM serves.", cure="Cut it: fold(..., rank=64)."
    )


def card(folded: Folded, config: LoraConfig, title: str) -> str:
    """The card as Markdown, with the front matter of the hub."""
    base = config.base_model_name_or_path or ""
    return "\n".join(
        [
            *_front(base),
            f"# {title}",
            "",
            f"A plain LoRA of rank {config.r} that stands for a routed mixture of experts on `{base}`. It was folded "
            f"with {HOW[folded.how]}: which experts answer no longer depends on the token.",
            "",
            *_loading(base),
            *_serving(config, title),
            "## What was lost",
            "",
            *(["Not measured."] if folded.loss is None else _table(folded.loss)),
            *_cut(folded),
            "",
        ]
    )


def _front(base: str) -> list[str]:
    return ["---", f"base_model: {base}", "library_name: peft", "tags:", "- lora", "- mezzofanti", "---", ""]


def _loading(base: str) -> list[str]:
    call = f'PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{base}"), "PATH_OF_THIS_FOLDER")'
    return [
        "```python",
        "from peft import PeftModel; from transformers import AutoModelForCausalLM",
        f"model = {call}",
        "```",
        "",
        "`model.merge_and_unload()` makes it a dense model. Nothing but PEFT is needed.",
        "",
    ]


def _serving(config: LoraConfig, title: str) -> list[str]:
    if config.r > VLLM_RANKS[-1]:
        return []
    lora = f"--enable-lora --max-lora-rank {served_rank(config.r)} --lora-modules {title}=PATH_OF_THIS_FOLDER"
    return ["```sh", f"vllm serve {config.base_model_name_or_path} {lora}", "```", ""]


def loss_lines(loss: FoldLoss) -> list[tuple[str, str]]:
    """What was lost, as pairs of what and how much."""
    where = "held out from calibration" if loss.held_out else "the calibration's own, so this flatters"
    lines = [
        ("measured on", f"{loss.tokens} tokens of {loss.rows} rows, {where}"),
        ("KL(routed, folded), nats a token", f"{loss.kl:.4f}"),
        ("KL(routed, base), for comparison", f"{loss.kl_base:.4f}"),
        ("same likeliest token", f"{100 * loss.agreement:.1f} %"),
        (
            "mean loss of the rows' tokens: routed, folded, base",
            f"{loss.nll_routed:.3f}, {loss.nll_folded:.3f}, {loss.nll_base:.3f}",
        ),
    ]
    if loss.score_routed is not None and loss.score_folded is not None:
        lines.append(("score: routed, folded", f"{loss.score_routed:.4g}, {loss.score_folded:.4g}"))
    return lines


def _table(loss: FoldLoss) -> list[str]:
    rows = [f"| {what} | {much} |" for what, much in loss_lines(loss)]
    return ["Against the routed adapter:", "", "| | |", "|---|---|", *rows]


def _cut(folded: Folded) -> list[str]:
    lost: dict[str, Any] = folded.truncation
    worst = max(lost, key=lambda name: lost[name])
    if not lost[worst]:
        return []
    mean = sum(lost.values()) / len(lost)
    return [
        "",
        f"Cut to rank {folded.rank} by a truncated SVD: relative error {mean:.3f} in the mean over layers, "
        f"{lost[worst]:.3f} at most ({worst}), Frobenius norm.",
    ]
