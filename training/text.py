"""The project's own small BPE vocabulary, every canonical caption, and what a text tower makes of captions."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from assistant.schema import ImageRequest
from assistant.vocabulary import vocabulary

#: Longest canonical caption: 27 tokens with begin and end; the text tower's length is a round number above.
MAX_TOKENS = 32
BEGIN, END = "<|startoftext|>", "<|endoftext|>"


def canonical_captions() -> list[str]:
    """Every rash × area × tone once, with the optional slots (none of them included) taken in turn."""
    words = vocabulary()
    optional = itertools.cycle(itertools.product(*((None, *words.names(s)) for s in ("severity", "size", "number"))))
    slots = itertools.product(words.names("rash"), words.names("area"), words.names("tone"))
    return [
        ImageRequest(
            count=1, seed=0, rash=rash, area=area, tone=tone, severity=severity, size=size, number=number
        ).caption
        for (rash, area, tone), (severity, size, number) in zip(slots, optional, strict=False)
    ]


def train_tokenizer(captions: list[str]) -> CLIPTokenizer:
    """A byte-level BPE in CLIP's form in which every word of ``captions`` is one token; other text falls to letters."""
    letters = [chr(code) for code in range(33, 127)]
    trainer = trainers.BpeTrainer(
        vocab_size=4096,
        min_frequency=1,
        special_tokens=[BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    reader = CLIPTokenizer().backend_tokenizer
    learner.normalizer, learner.pre_tokenizer = reader.normalizer, reader.pre_tokenizer
    learner.train_from_iterator(itertools.chain(captions, letters), trainer)
    learned = json.loads(learner.to_str())["model"]
    merges = [tuple(merge) for merge in learned["merges"]]
    return CLIPTokenizer(vocab=learned["vocab"], merges=merges, model_max_length=MAX_TOKENS)


def check_tokens(tokenizer: CLIPTokenizer, captions: list[str]) -> None:
    """Raise ValueError when a caption would be cut, or a word of it is not one token."""
    for caption, ids in zip(captions, tokenizer(captions).input_ids, strict=True):
        words = len(caption.replace(",", " ,").split())
        if len(ids) > MAX_TOKENS or len(ids) != words + 2:
            raise ValueError(f"{caption!r} is {len(ids)} tokens; expected {words + 2}, at most {MAX_TOKENS}. Train anew.")


def tokens(tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    """Token ids (N, the tokenizer's limit), padded as the pipeline pads."""
    return tokenizer(texts, padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt").input_ids


def text_tower(folder: Path) -> tuple[CLIPTextModel, CLIPTokenizer]:
    """Text tower, as StableDiffusionPipeline holds it, and tokenizer, of a finished CLIP run or of a checkpoint."""
    if (folder / "text_encoder").is_dir():
        text = CLIPTextModel.from_pretrained(folder / "text_encoder", dtype=torch.float32)
        return text.eval().requires_grad_(False), CLIPTokenizer.from_pretrained(folder / "tokenizer")
    text = text_part(CLIPModel.from_pretrained(folder / "final" / "clip"))
    return text.eval().requires_grad_(False), CLIPTokenizer.from_pretrained(folder / "final" / "tokenizer")


def text_part(clip: CLIPModel) -> CLIPTextModel:
    """A CLIP's text tower as a pipeline holds it."""
    text = CLIPTextModel(clip.config.text_config)
    text.load_state_dict(clip.text_model.state_dict())
    return text


@torch.no_grad()
def encode_captions(text_encoder: CLIPTextModel, tokenizer: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    """What cross-attention sees of each caption: float16 (N, tokens, width) on the CPU."""
    ids = tokens(tokenizer, captions)
    parts = [text_encoder(part.to(text_encoder.device))[0].half().cpu() for part in ids.split(128)]
    return torch.cat(parts)
