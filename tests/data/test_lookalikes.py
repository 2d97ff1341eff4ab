import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from scipy.ndimage import gaussian_filter

from data.lookalikes import PIXELS, candidates, fingerprint, look_alikes, perceptual_hash


def textured(number: int, side: int = 200) -> Image.Image:
    """Skin with a texture at every scale, as photographs have it, and a dark spot in the middle, as dermoscopy has it."""
    rng = np.random.default_rng(number)
    grey = sum(gaussian_filter(rng.normal(size=(side, side)), width, mode="wrap") * width * 12 for width in (1, 3, 9, 27))
    y, x = np.mgrid[:side, :side] / side - 0.5
    grey = 190 + grey - 110 * np.exp(-(x**2 + y**2) / 0.03)
    return Image.fromarray(np.stack([grey, grey * 0.8, grey * 0.7], -1).clip(0, 255).astype(np.uint8))


def recompressed(picture: Image.Image) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=40)
    return Image.open(file).convert("RGB")


CHANGED = {
    "resized": lambda p: p.resize((111, 111), Image.Resampling.LANCZOS),
    "recompressed": recompressed,
    "brighter": lambda p: ImageEnhance.Brightness(p).enhance(1.2),
    "darker": lambda p: ImageEnhance.Brightness(p).enhance(0.7),
    "mirrored": ImageOps.mirror,
    "turned": lambda p: p.rotate(90),
    "mirrored and turned": lambda p: ImageOps.mirror(p.rotate(90)),
    "less 5 % at every side": lambda p: p.crop((10, 10, 190, 190)),
    "less 6 % at two sides": lambda p: p.crop((0, 0, 188, 188)),
    "mirrored, less 6 %, smaller, recompressed": lambda p: recompressed(ImageOps.mirror(p.crop((12, 6, 200, 194))).resize((150, 150))),
}


def found(pictures, tmp_path, old=0, embedding=PIXELS):
    paths = []
    for number, picture in enumerate(pictures):
        paths.append(tmp_path / f"{number}.png")
        picture.save(paths[-1])
    prints = [fingerprint(str(number), picture, embedding) for number, picture in enumerate(pictures)]
    pairs = candidates(prints, old, embedding)
    return {tuple(sorted(pair)) for pair in look_alikes(paths, pairs, lambda done: None)}, pairs


@pytest.mark.parametrize("change", CHANGED)
def test_a_changed_copy_is_found(change, tmp_path):
    pictures = [textured(number) for number in range(6)]
    alike, _ = found([*pictures, CHANGED[change](pictures[2])], tmp_path)
    assert alike == {(2, 6)}


def test_spots_that_are_alike_from_afar_are_not_the_same(tmp_path):
    """A coarse likeness makes candidates of dark spots on pale skin; their detail tells them apart."""
    y, x = np.mgrid[:200, :200] / 200 - 0.5
    dark = 150 * np.exp(-(x**2 + y**2) / 0.03)[..., None]
    faint = [np.asarray(textured(number)).astype(float) * 0.6 + 90 - dark for number in range(5)]
    alike, pairs = found([Image.fromarray(each.clip(0, 255).astype(np.uint8)) for each in faint], tmp_path)
    assert len(pairs) == 10, "all are candidates"
    assert alike == set()


def test_what_is_in_the_set_is_not_compared_again(tmp_path):
    picture = textured(1)
    copies = [picture, CHANGED["resized"](picture), CHANGED["mirrored"](picture)]
    alike, pairs = found(copies, tmp_path, old=2)
    assert alike == {(0, 2), (1, 2)}
    assert all(max(pair) == 2 for pair in pairs)
    assert found(copies, tmp_path, old=3)[1] == {}


def test_another_embedding_is_one_argument(tmp_path):
    """One that says that all are candidates: what is not the same still is not."""
    from dataclasses import replace

    everything = replace(PIXELS, name="everything", min_cosine=-1.0)
    pictures = [textured(0), textured(1), CHANGED["resized"](textured(0))]
    alike, pairs = found(pictures, tmp_path, embedding=everything)
    assert len(pairs) == 3 and alike == {(0, 2)}


def test_the_hash_is_that_of_the_resized_picture():
    picture = textured(3)
    assert bin(perceptual_hash(picture) ^ perceptual_hash(picture.resize((97, 97)))).count("1") <= 4
    assert bin(perceptual_hash(picture) ^ perceptual_hash(textured(4))).count("1") > 10


def test_pictures_without_any_detail_do_no_harm(tmp_path):
    flat = [Image.new("RGB", (80, 80), (200, 150, 120)), Image.new("RGB", (80, 80), (90, 60, 40))]
    assert found(flat, tmp_path)[0] == set()
