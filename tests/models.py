"""Real ``StableDiffusionPipeline`` folders built from a config with seeded random weights: no download, no mock.

``write_pipeline`` makes the tiny one of the tests in about a second; with larger numbers it makes the folder that
``tests/benchmarks/bench_generate.py`` times. Nothing here needs the network: the tokenizer's vocabulary is single
characters plus a few merges.
"""

from __future__ import annotations

import json
import string
from dataclasses import dataclass
from pathlib import Path

START, END = "<|startoftext|>", "<|endoftext|>"
MERGES = ("s k", "i n</w>", "sk in</w>", "r a", "s h</w>", "ra sh</w>", "a r", "e a</w>", "ar ea</w>", "o n</w>", "o f</w>")


@dataclass(frozen=True)
class Shape:
    """Sizes of a pipeline; the defaults are the tests' tiny one (32×32 pixels from 8×8×4 latents)."""

    unet_channels: tuple[int, ...] = (32, 64)
    vae_channels: tuple[int, ...] = (16, 32, 32)
    latent_channels: int = 4
    latent_size: int = 8
    text_width: int = 32
    text_layers: int = 2
    tokens: int = 77


def write_tokenizer(folder: Path, tokens: int) -> int:
    """Write a character-level CLIP byte-pair tokenizer of its own; returns the vocabulary's size."""
    letters = string.ascii_lowercase + string.digits + string.punctuation
    words = [*letters, *(c + "</w>" for c in letters), *(m.replace(" ", "") for m in MERGES), START, END]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES]) + "\n")
    config = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": tokens,
        "bos_token": START,
        "eos_token": END,
        "unk_token": END,
        "pad_token": END,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return len(words)


def write_pipeline(folder: Path, shape: Shape = Shape(), seed: int = 0) -> Path:
    """Write a complete pipeline with v-prediction, zero terminal SNR and trailing spacing, as the embedded one has."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    vocab_size = write_tokenizer(folder / "tokenizer", shape.tokens)
    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer")
    levels = len(shape.unet_channels)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        unet = UNet2DConditionModel(
            sample_size=shape.latent_size,
            in_channels=shape.latent_channels,
            out_channels=shape.latent_channels,
            block_out_channels=shape.unet_channels,
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock2D",) * (levels - 1) + ("DownBlock2D",),
            up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * (levels - 1),
            cross_attention_dim=shape.text_width,
            attention_head_dim=8,
            norm_num_groups=8,
        )
        vae = AutoencoderKL(
            latent_channels=shape.latent_channels,
            block_out_channels=shape.vae_channels,
            down_block_types=("DownEncoderBlock2D",) * len(shape.vae_channels),
            up_block_types=("UpDecoderBlock2D",) * len(shape.vae_channels),
            layers_per_block=1,
            norm_num_groups=8,
            mid_block_add_attention=False,
            sample_size=shape.latent_size * 2 ** (len(shape.vae_channels) - 1),
        )
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=vocab_size,
                hidden_size=shape.text_width,
                intermediate_size=shape.text_width * 2,
                num_hidden_layers=shape.text_layers,
                num_attention_heads=4,
                max_position_embeddings=shape.tokens,
                bos_token_id=vocab_size - 2,
                eos_token_id=vocab_size - 1,
                pad_token_id=vocab_size - 1,
            )
        )
    scheduler = DDIMScheduler(
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        steps_offset=1,
    )
    StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder, safe_serialization=True)
    return folder


def write_classifier(folder: Path, sees: str) -> Path:
    """Let the pipeline in ``folder`` look at what it draws, once more at most: a classifier of acne and eczema that always ``sees`` the one."""
    import torch

    from generation.catalog import read_card, write_card
    from training.judge import Judge, export

    with torch.random.fork_rng():
        torch.manual_seed(0)
        judge = Judge(["acne", "eczema"], ["face"], image_size=32, widths=(8, 16)).eval()
    with torch.no_grad():
        judge.heads["rash"].bias += torch.tensor([9.0 * (name == sees) for name in judge.config.rash])
    export(judge, folder)
    write_card(folder, read_card(folder).model_copy(update={"name": "tiny", "steps": 2, "guidance_scale": 1.0, "rash_tries": 1}))
    return folder
