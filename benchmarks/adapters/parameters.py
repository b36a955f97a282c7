"""How many parameters are trained: by formula, counted on LLaMA-2-7B without weights, and as the paper prints them.

    python -m benchmarks.adapters parameters     seconds; -> benchmarks/results/malora_parameters.json

The paper (arXiv:2410.22782v1) says that MALoRA trains 30 to 48 % fewer parameters than MoLoRA. `claims` holds every
pair that comes near: the claim is about MoLoRA of a higher rank, and of equal rank MALoRA is the larger one.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks.adapters.counting import PAPER_MODULES, adapted_maps, lora, malora, molora, total
from benchmarks.record import RESULTS, circumstances
from mezzofanti.files import write_json

__all__ = ["CONFIGURATIONS", "add_options", "counts", "llama2_7b", "main", "table"]

RESULT = RESULTS / "malora_parameters.json"
COMMAND = "python -m benchmarks.adapters parameters"
CONFIGURATIONS: dict[str, tuple[Any, tuple[int, ...], float | None]] = {
    "LoRA r64": (lora, (64,), 2.1),
    "MoLoRA r8": (molora, (8,), 2.2),
    "MoLoRA r12": (molora, (12,), 3.3),
    "MoLoRA r16": (molora, (16,), None),
    "MALoRA r12 d32": (malora, (12, 32), 2.3),
    "MALoRA-Small r8 d22": (malora, (8, 22), 1.6),
    "no asymmetry, r8 d64": (malora, (8, 64), 2.2),
}
"""Formula, its arguments, and the share that the paper prints in per cent (tables 1 and 3)."""
CLAIMS = (
    ("MALoRA-Small r8 d22", "MoLoRA r8", "equal rank, and 55.4 against 55.3 in table 1"),
    ("MALoRA r12 d32", "MoLoRA r12", "equal rank of an expert, and 56.3 against 56.0 in table 3"),
    ("MALoRA r12 d32", "MoLoRA r16", "lower rank, and 56.27 against 56.19 in table 11"),
    ("MALoRA r12 d32", "MoLoRA r8", "what table 1 compares: MALoRA is the larger one"),
)
"""The smaller, the larger, and the paper's average scores of both: what 'fewer' is worth is a matter of quality."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What may be asked of this benchmark."""
    parser.add_argument("--output", type=Path, default=RESULT)


def main(options: argparse.Namespace) -> None:
    """Count, write the result, print the table."""
    found = counts(llama2_7b())
    write_json(options.output, {"schema": 1, **circumstances(COMMAND), **found})
    print(table(found))


def llama2_7b() -> Any:
    """LLaMA-2-7B on the meta device: every shape, no weight."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = LlamaConfig(
        vocab_size=32000,
        hidden_size=4096,
        intermediate_size=11008,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=32,
        tie_word_embeddings=False,
    )
    with torch.device("meta"):
        return LlamaForCausalLM(shape)


def counts(model: Any) -> dict[str, Any]:
    """Count every configuration by formula and by PEFT on `model`, and every pair of `CLAIMS`."""
    base = sum(weight.numel() for weight in model.parameters())
    maps = adapted_maps(model)
    rows = {}
    for name, (formula, arguments, printed) in CONFIGURATIONS.items():
        parameters = total(maps, formula, *arguments)
        rows[name] = {
            "by_formula": parameters,
            "counted": _counted(model, formula, arguments),
            "percent": 100 * parameters / (base + parameters),
            "paper_percent": printed,
        }
    claims = [
        {
            "smaller": small,
            "larger": large,
            "percent_fewer": _fewer(rows[small], rows[large]),
            "quality": quality,
        }
        for small, large, quality in CLAIMS
    ]
    head = {"model": "LLaMA-2-7B, meta device", "base_parameters": base, "modules": list(PAPER_MODULES)}
    return {**head, "configurations": rows, "claims": claims}


def _counted(model: Any, formula: Any, arguments: tuple[int, ...]) -> int:
    """Adapt a copy of the model's shapes and count what is trained."""
    import copy

    from peft import LoraConfig, get_peft_model

    from mezzofanti.adapters import MaloraConfig, MoloraConfig

    modules: dict[str, Any] = {"target_modules": list(PAPER_MODULES)}
    if formula is malora:
        config: Any = MaloraConfig(r=arguments[0], shared_rank=arguments[1], **modules)
    else:
        config = (MoloraConfig if formula is molora else LoraConfig)(r=arguments[0], **modules)
    adapted = get_peft_model(copy.deepcopy(model), config, low_cpu_mem_usage=True)
    return sum(weight.numel() for weight in adapted.parameters() if weight.requires_grad)


def _fewer(small: dict[str, Any], large: dict[str, Any]) -> float:
    return 100 * (1 - float(small["by_formula"] / large["by_formula"]))


def table(found: dict[str, Any]) -> str:
    """The counts as Markdown."""
    lines = [
        "| adapter | trained parameters | counted by PEFT | % of all | the paper's % |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, row in found["configurations"].items():
        printed = "" if row["paper_percent"] is None else row["paper_percent"]
        cells = (f"{row['by_formula']:,}", f"{row['counted']:,}", f"{row['percent']:.2f}", f"{printed}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    lines.append("")
    for claim in found["claims"]:
        fewer = claim["percent_fewer"]
        said = f"{abs(fewer):.1f} % {'fewer' if fewer > 0 else 'more'}"
        lines.append(f"{claim['smaller']} against {claim['larger']}: {said} ({claim['quality']})")
    return "\n".join(lines)
