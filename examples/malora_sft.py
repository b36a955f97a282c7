"""MALoRA in TRL's SFTTrainer: ten lines, on a tiny random model so that it runs in seconds anywhere.

Run: python examples/malora_sft.py [FOLDER]. Put your own model's name where `tiny_model()` stands.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from datasets import Dataset
from peft import PeftModel
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

from mezzofanti.adapters import MaloraConfig  # also registers MALoRA with PEFT

QUESTIONS = {"1 + 1": "two", "2 + 2": "four", "3 + 3": "six", "uno + uno": "due", "due + due": "quattro"}


def main(folder: str = "malora-adapter") -> list[float]:
    """Train for a moment, save, load again; return the losses."""
    rows = [{"prompt": f"{question} = ", "completion": answer} for question, answer in QUESTIONS.items()]
    config = MaloraConfig(task_type="CAUSAL_LM", target_modules="all-linear", r=6, shared_rank=16)
    trainer = SFTTrainer(
        tiny_model(),
        args=settings(folder),
        train_dataset=Dataset.from_list(rows),
        processing_class=tiny_tokenizer(),
        peft_config=config,
    )
    trainer.train()
    trainer.save_model(folder)
    PeftModel.from_pretrained(tiny_model(), folder)
    return [row["loss"] for row in trainer.state.log_history if "loss" in row]


def settings(folder: str) -> SFTConfig:
    """Return what any SFTTrainer run says; only the last line is about this example being tiny."""
    return SFTConfig(
        output_dir=folder,
        learning_rate=1e-2,
        per_device_train_batch_size=5,
        max_steps=30,
        logging_steps=10,
        save_strategy="no",
        report_to="none",
        bf16=False,
        use_cpu=True,
        disable_tqdm=True,
    )


def tiny_model() -> LlamaForCausalLM:
    """Return a random Llama of two layers over single characters; the same one each time."""
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=300,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            initializer_range=0.2,
            bos_token_id=0,
            eos_token_id=1,
            pad_token_id=2,
        )
    )


def tiny_tokenizer() -> Any:
    """Return a tokenizer of one token a byte."""
    names = ["<s>", "</s>", "<pad>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    letters = Tokenizer(models.BPE(vocab={name: number for number, name in enumerate(names)}, merges=[]))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=letters, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


if __name__ == "__main__":
    for loss in main(*sys.argv[1:]):
        print(f"loss {loss:.3f}")
