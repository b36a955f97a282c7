"""Teach a mixture two languages, fold it into one plain LoRA a language, load that with PEFT alone, and merge it.

    python examples/fold_by_language.py

The model is a tiny Llama built on the spot and the languages are toys: each has 32 words of its own, and the next word
is always the same number of words further. So this takes seconds. Put your own model and rows in the places marked.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from mezzofanti.adapters import MaloraConfig, fold

WORDS = 32
LANGUAGES = {"fr": (0, 3), "es": (WORDS, 5)}
"""Where the words of a language begin, and how far it is from one word to the next."""

Batch = dict[str, torch.Tensor]


def tiny_base(folder: Path) -> Path:
    """Save a random Llama of two layers. Yours: any folder or hub id."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = LlamaConfig(vocab_size=2 * WORDS, initializer_range=0.2, **sizes)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def rows(language: str, seed: int) -> list[Batch]:
    """Two batches of 32 sentences of twelve words. Yours: encoded conversations of one language."""
    start, step = LANGUAGES[language]
    first = torch.randint(WORDS, (2, 32, 1), generator=torch.Generator().manual_seed(seed))
    sentences = start + (first + step * torch.arange(12)) % WORDS
    return [{"input_ids": batch, "labels": batch} for batch in sentences]


def teach(model: nn.Module, steps: int = 60) -> None:
    """Learn both languages at once. Yours: a trainer, as in `malora_sft.py`."""
    optimizer = torch.optim.AdamW((p for p in model.parameters() if p.requires_grad), lr=1e-2)
    for step in range(steps):
        mixed = torch.cat([rows(language, seed=step)[0]["input_ids"] for language in LANGUAGES])
        model(input_ids=mixed, labels=mixed).loss.backward()
        optimizer.step()
        optimizer.zero_grad()


@torch.no_grad()
def right(model: nn.Module, language: str) -> float:
    """The share of next words that the model finds. Yours: an exam."""
    words = rows(language, seed=1000)[0]["input_ids"]
    found = model(input_ids=words).logits[:, :-1].argmax(-1)
    return float((found == words[:, 1:]).float().mean())


def main() -> None:
    """Teach, fold, say what was lost, load, merge."""
    work = Path(tempfile.mkdtemp())
    base = tiny_base(work / "base")
    targets = ["q_proj", "v_proj", "gate_proj", "up_proj", "down_proj"]
    config = MaloraConfig(task_type="CAUSAL_LM", target_modules=targets, r=6, shared_rank=16, lora_alpha=12)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    teach(model)
    for language in LANGUAGES:
        folded = fold(
            model,
            calibration=rows(language, seed=2000),
            held_out=rows(language, seed=3000),
            score=partial(right, language=language),
        )
        folded.save(work / language, base=str(base))
        loss = folded.loss
        print(f"{language}: {folded}; KL of the base alone {loss.kl_base:.2f}")
        print(f"    next words right: routed {loss.score_routed:.0%}, folded {loss.score_folded:.0%}")
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), work / "fr")
    dense = plain.merge_and_unload()
    print(f"merged: {type(dense).__name__}, French words right {right(dense, 'fr'):.0%}")


if __name__ == "__main__":
    main()
