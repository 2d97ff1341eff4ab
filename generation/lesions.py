"""Where the lesion is in a picture: a small U-Net of its own, learnt from phantoms (`training.lesions`).

Skin is measured away from it: on vitiligo, melasma or a scaly plaque the colour of "skin" would otherwise be that of the lesion.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from generation import ita

if TYPE_CHECKING:
    import torch
    from diffusers import UNet2DModel

    from generation.compiled import CompiledLook

FOLDER = Path(__file__).parent / "lesions"
#: From this chance of lesion on, a pixel is not measured as skin.
LEAST = 0.3
#: L* from the skin around a lesion, on either side, beyond which a pixel is hair or glare. Of 12, 18, 25 and 32 on 500 phantoms and 400
#: pictures drawn, 25 and 32 put most of them into the band of their tone.
MOST_APART = 25.0
#: Fewer pixels around the lesion than this share of the picture say nothing.
LEAST_AROUND = 0.004


def logits(model: UNet2DModel, pixels: torch.Tensor) -> torch.Tensor:
    """Lesion logits (N, 1, S, S) of pictures (N, 3, S, S) in [-1, 1]."""
    import torch
    from torch.nn.functional import pixel_shuffle, pixel_unshuffle

    blocks = pixel_unshuffle(pixels, 2).contiguous(memory_format=torch.channels_last)
    return pixel_shuffle(model(blocks, 0, return_dict=False)[0], 2)


def find(rgb: np.ndarray, quick: CompiledLook | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Where the lesion is in a picture [H, W, 3] (8-bit sRGB).

    Args:
        quick: the finder made ready for this processor, in place of the one in torch.

    Returns:
        The picture at the finder's own size, uint8 [S, S, 3], and the chance of lesion in each pixel, float32 [S, S] in 0–1.
    """
    import torch
    from PIL import Image

    model = None if quick else _finder()
    side = quick.side if quick else 2 * model.config.sample_size
    small = np.asarray(Image.fromarray(rgb).resize((side, side), Image.Resampling.BOX))
    with torch.inference_mode():
        pixels = torch.from_numpy(small.copy()).permute(2, 0, 1)[None] / 127.5 - 1
        chance = (quick.run(pixels) if quick else logits(model, pixels.to(model.dtype))).float().sigmoid()
    return small, chance[0, 0].numpy()


def near(chance: np.ndarray) -> np.ndarray:
    """Pixels [S, S] (bool) on a lesion or within a sixty-fourth of the picture from one, where its redness still shows."""
    return _within(chance, max(1, chance.shape[0] // 64))


def not_skin(small: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """Pixels [S, S] (bool) of ``small`` [S, S, 3] (8-bit sRGB) that say nothing of the skin's tone: `near` a lesion, and those much
    lighter or darker than the skin around it. Hair has a hue of skin; on a neck with a rash there is more of it than of bare skin.
    """
    lesion = near(chance)
    colours = ita.lab(small)
    around = ita.skin_pixels(small, lesion | ~_within(chance, chance.shape[0] // 8), colours=colours)
    if len(around) < LEAST_AROUND * lesion.size:
        return lesion
    return lesion | (np.abs(colours[..., 0] - np.median(around[:, 0])) > MOST_APART)


def _within(chance: np.ndarray, reach: int) -> np.ndarray:
    """Pixels (bool) on a lesion or at most ``reach`` pixels from one, in rows and in columns."""
    # Sums over squares: a maximum filter of this size took a sixth of the time of a picture.
    sums = np.pad(chance > LEAST, ((reach + 1, reach), (reach + 1, reach))).cumsum(0, dtype=np.int32).cumsum(1)
    size = 2 * reach + 1
    return sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size] > 0


def finder() -> UNet2DModel:
    """In float32."""
    from diffusers import UNet2DModel

    return UNet2DModel.from_pretrained(FOLDER, local_files_only=True, use_safetensors=True).eval().requires_grad_(False)


@lru_cache(maxsize=1)
def _finder() -> UNet2DModel:
    import torch

    from generation import loading, packing

    model = finder()
    packing.pack(model.to(loading.pick_dtype("cpu"), memory_format=torch.channels_last))
    return model
