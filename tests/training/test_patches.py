import numpy as np
import pytest
import torch
from PIL import Image

from training.autoencoder import Architecture
from training.dataset import Images, read_folder
from training.patches import fit, write_encoder


@pytest.fixture
def images(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(8):
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        coarse.resize((64, 64), Image.Resampling.BICUBIC).save(tmp_path / f"{i}.png")
    return Images(read_folder(tmp_path), 64)


def test_the_encoder_is_the_projection(images):
    """For the full-size architecture, with and without autocast."""
    basis = fit(images, np.arange(8), 16, 16, 0.0, 0.5)
    model = Architecture(latent_channels=16, image_size=64).build()
    write_encoder(model, basis)
    pixels = torch.from_numpy(np.stack([images.image(i) for i in range(8)])).permute(0, 3, 1, 2) / 127.5 - 1
    wanted = basis.encode(pixels)
    with torch.no_grad():
        exact = model.encode(pixels).latent_dist.mean
        with torch.autocast("cpu", torch.bfloat16):
            rough = model.encode(pixels).latent_dist.mean
    assert wanted.var().item() == pytest.approx(1, rel=0.05)
    assert (exact - wanted).square().mean().sqrt() < 0.03
    assert (rough - wanted).square().mean().sqrt() < 0.05


def test_components_are_ordered_and_scaled(images):
    white = fit(images, np.arange(8), 16, 8, 0.0, 1.0)
    plain = fit(images, np.arange(8), 16, 8, 0.0, 0.0)
    pixels = torch.from_numpy(np.stack([images.image(i) for i in range(8)])).permute(0, 3, 1, 2) / 127.5 - 1
    assert torch.allclose(white.encode(pixels).transpose(0, 1).flatten(1).std(1), torch.ones(8), atol=0.05)
    spread = plain.encode(pixels).transpose(0, 1).flatten(1).std(1)
    assert (spread.diff() < 1e-4).all()


def test_a_basis_that_does_not_fit_is_refused(images):
    basis = fit(images, np.arange(8), 16, 4, 0.0, 0.5)
    with pytest.raises(ValueError, match="does not fit"):
        write_encoder(Architecture(latent_channels=8).build(), basis)
