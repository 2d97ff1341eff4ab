"""A small labelled set that every recipe can learn from in a few steps: coloured discs on coloured skin, 64 px."""

import json
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from assistant.schema import ImageRequest
from training import autoencoder, clip, sharpen, unet

warnings.filterwarnings("ignore", category=FutureWarning, module="diffusers")
torch.set_num_threads(1)

SKIN = {"fair": (230, 190, 170), "black": (70, 45, 35)}
SPOT = {"acne": (200, 60, 60), "vitiligo": (250, 240, 235)}


@pytest.fixture(scope="session")
def labelled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    rng = np.random.default_rng(0)
    rows = []
    for i in range(24):
        tone, rash, area = list(SKIN)[i % 2], list(SPOT)[i // 2 % 2], ("face", "back of the neck")[i // 4 % 2]
        y, x = np.mgrid[:64, :64]
        disc = (y - rng.integers(16, 48)) ** 2 + (x - rng.integers(16, 48)) ** 2 < 100
        image = np.where(disc[..., None], SPOT[rash], SKIN[tone]) + rng.normal(0, 4, (64, 64, 3))
        Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(folder / f"{i:03d}.png")
        Image.fromarray((disc * 255).astype(np.uint8)).save(folder / f"{i:03d}_mask.png")
        request = ImageRequest(count=1, seed=0, rash=rash, area=area, tone=tone)
        rows.append(
            {
                "file_name": f"{i:03d}.png",
                "mask_file_name": f"{i:03d}_mask.png",
                "text": request.caption,
                "rash": rash,
                "area": area,
                "tone": tone,
                "severity": None,
                "split": "validation" if i >= 20 else "train",
            }
        )
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


SHORT = {"minutes": 5, "batch": 4, "lr": 0.002, "warmup_steps": 2, "ema": 0.5}


@pytest.fixture(scope="session")
def runs(labelled, tmp_path_factory):
    """Finished tiny runs of every kind."""
    root = tmp_path_factory.mktemp("runs")
    common = {"data": [{"path": labelled}], "device": "cpu"}
    shape = {"block_out_channels": (8, 16, 24), "latent_channels": 4, "norm_num_groups": 2, "image_size": 64}
    fitted = {"kind": "autoencoder", "run": root / "autoencoder", "architecture": shape, "crop": 32}
    recipe = autoencoder.AutoencoderRecipe(**common, **fitted, schedule={**SHORT, "max_steps": 60})
    autoencoder.train(recipe)
    towers = {"text_width": 64, "text_layers": 1, "image_width": 64, "image_layers": 1, "image_size": 32}
    recipe = clip.ClipRecipe(**common, kind="clip", run=root / "clip", towers=towers, schedule={**SHORT, "max_steps": 2})
    clip.train(recipe)
    parts = {"autoencoder": root / "autoencoder", "clip": root / "clip"}
    net = {"block_out_channels": (16, 32, 32), "heads": (1, 1, 1), "norm_num_groups": 8}
    show = {"show": ["acne type of rash at the face area on a fair skin"], "steps": 2}
    recipe = unet.UNetRecipe(
        **common, **parts, **show, kind="unet", run=root / "unet", net=net, schedule={**SHORT, "max_steps": 30}
    )
    unet.train(recipe)
    recipe = sharpen.SharpenRecipe(
        **common, kind="sharpen", run=root / "sharpen", autoencoder=parts["autoencoder"], crop=32,
        schedule={**SHORT, "lr": 0.0005, "optimizer": "adamw", "max_steps": 3},
    )  # fmt: skip
    sharpen.train(recipe)
    return root
