"""A small labelled set that every recipe can learn from in a few steps: coloured discs on coloured skin, 64 px."""

import json
import warnings

import numpy as np
import pytest
import torch
from PIL import Image

from assistant.schema import ImageRequest

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
