"""A tiny random language model in an ordinary Hugging Face folder, made in a second or two.

A Llama of two layers over single bytes: every language can be written, nothing is downloaded, and whatever
loads a real model loads this one. Tests, and the programs that tests start, build it with `build_tiny_base`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""ChatML without generation marks, which is how most open models carry it."""

MARKED_CHATML = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}"
    "{{ '<|im_start|>assistant\n' }}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""The same conversation text, with the marks an assistant-only loss needs."""

SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>")


def tiny_tokenizer(template: str = CHATML) -> Any:
    """Return a tokenizer of one token a byte and four special tokens (260 in all)."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    names = [*SPECIAL_TOKENS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    bytes_only = Tokenizer(models.BPE(vocab={name: index for index, name in enumerate(names)}, merges=[]))
    bytes_only.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bytes_only.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=bytes_only,
        bos_token="<|im_start|>",
        eos_token="<|im_end|>",
        pad_token="<|pad|>",
        unk_token="<|endoftext|>",
        chat_template=template,
        model_max_length=1024,
        clean_up_tokenization_spaces=False,
    )


def tiny_config(*, hidden: int = 48, layers: int = 2) -> Any:
    """Return the configuration of a Llama with about sixty thousand parameters."""
    from transformers import LlamaConfig

    return LlamaConfig(
        vocab_size=256 + len(SPECIAL_TOKENS),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=3,
    )


def build_tiny_base(
    folder: Path | str, *, hidden: int = 48, layers: int = 2, seed: int = 0, template: str = CHATML
) -> Path:
    """Save a tiny random model and its tokenizer to `folder`; the same arguments give the same weights."""
    import torch
    from transformers import LlamaForCausalLM

    folder = Path(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(tiny_config(hidden=hidden, layers=layers))
    model.save_pretrained(folder)
    tiny_tokenizer(template).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hidden", type=int, default=48)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    print(build_tiny_base(chosen.folder, hidden=chosen.hidden, layers=chosen.layers, seed=chosen.seed))
