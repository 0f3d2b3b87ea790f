"""Training of small models on text, letter by letter, with the same weights on every machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders
from tokenizers.models import BPE
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from workers.checkpoint import quiet

END, PAD = "<end>", "<pad>"


@contextmanager
def one_thread() -> Iterator[None]:
    """The same sums however many cores there are; more threads would not be faster anyway."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def new_tokenizer(vocabulary: Mapping[str, int]) -> PreTrainedTokenizerFast:
    """One token a character; `<end>` comes after every text, and so before the next."""
    tokenizer = Tokenizer(BPE(dict(vocabulary), merges=[]))
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=END, eos_token=END, pad_token=PAD
    )


def packed(
    texts: Iterator[str], vocabulary: Mapping[str, int], batch: int, tokens: int
) -> Iterator[Tensor]:
    """Batches of packed text, (batch, tokens). Each row begins with a text, as a prompt does."""
    while True:
        rows = []
        for _ in range(batch):
            row: list[int] = []
            while len(row) < tokens:
                row += [*(vocabulary[letter] for letter in next(texts)), vocabulary[END]]
            rows.append(row[:tokens])
        yield torch.tensor(rows)


def train(
    model: PreTrainedModel, batches: Iterator[Tensor], steps: int, rate: float
) -> Iterator[None]:
    """AdamW with a short warm-up, then linearly down to nothing; yields after each step."""
    warmup = min(50, steps)
    optimiser = torch.optim.AdamW(
        model.parameters(), rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: min((step + 1) / warmup, 1 - step / steps)
    )
    model.train()
    for _, batch in zip(range(steps), batches, strict=False):
        optimiser.zero_grad()
        model(input_ids=batch, labels=batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        yield


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Writes a model and its tokenizer without a progress bar."""
    with quiet():
        model.eval().save_pretrained(folder)
        tokenizer.save_pretrained(folder)
