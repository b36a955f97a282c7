"""Fold a routed adapter into one plain LoRA a language, load it with PEFT alone, and merge it.

    python examples/fold_by_language.py

The model is a tiny Llama built on the spot, with random weights, so this takes seconds. Put your own model and rows in
the places marked.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from mezzofanti.adapters import MaloraConfig, fold

TARGETS = ["q_proj", "v_proj", "gate_proj", "up_proj", "down_proj"]


def tiny_base(folder: Path) -> Path:
    """Save a random Llama of two layers. Yours: any folder or hub id."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    LlamaForCausalLM(LlamaConfig(vocab_size=256, **sizes)).save_pretrained(folder)
    return folder


def rows(seed: int) -> list[dict[str, torch.Tensor]]:
    """Two batches of random tokens. Yours: encoded conversations of one language."""
    generator = torch.Generator().manual_seed(seed)
    return [{"input_ids": torch.randint(256, (4, 12), generator=generator)} for _ in range(2)]


def main() -> None:
    """Fold, say what was lost, load, merge."""
    work = Path(tempfile.mkdtemp())
    base = tiny_base(work / "base")
    # a start that is not the identity stands for a trained adapter
    routed = MaloraConfig(
        task_type="CAUSAL_LM", target_modules=TARGETS, init_malora_weights=False, router_init_std=1.0
    )
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), routed)
    for seed, language in enumerate(("fr", "es")):
        folded = fold(model, calibration=rows(seed), held_out=rows(seed + 100))
        folded.save(work / language, base=str(base))
        print(
            f"{language}: rank {folded.rank}, KL {folded.loss.kl:.4f}, base alone {folded.loss.kl_base:.4f}"
        )
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), work / "fr")
    dense = plain.merge_and_unload()
    print(f"merged: {type(dense).__name__}, {sum(p.numel() for p in dense.parameters())} parameters")


if __name__ == "__main__":
    main()
