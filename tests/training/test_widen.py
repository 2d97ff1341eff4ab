"""More latent channels: the new checkpoint draws what the old one drew, and learns from there."""

import json

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel

from assistant.schema import ImageRequest
from generation import Generator
from training import autoencoder, unet
from training.assemble import AssembleRecipe, assemble
from training.dataset import Images, read_folder
from training.patches import BASIS, Basis, extend, fit
from training.run import load
from training.widen import WidenRecipe, widen

#: One worker for all that uses the same finished runs.
pytestmark = pytest.mark.xdist_group("runs")


@pytest.fixture(scope="module")
def narrow(runs, labelled, tmp_path_factory):
    parts = {"unet": runs / "unet", "autoencoder": runs / "autoencoder", "clip": runs / "clip"}
    out = tmp_path_factory.mktemp("narrow") / "checkpoint"
    return assemble(AssembleRecipe(kind="assemble", out=out, name="narrow", data=[labelled], steps=3, **parts))


@pytest.fixture(scope="module")
def wide(narrow, labelled):
    data = [{"path": labelled}]
    return widen(WidenRecipe(kind="widen", checkpoint=narrow, out=narrow.with_name("wide"), latent_channels=6, data=data))


def test_further_components_leave_the_first_ones_alone(labelled):
    images, some = Images(read_folder(labelled), 64), np.arange(20)
    basis = fit(images, some, 4, 4, 3.0, 0.5)
    longer = extend(basis, images, some, 6, 3.0)
    assert torch.equal(longer.rows[:4], basis.rows)
    rows = longer.rows.flatten(1)
    assert (rows[4:] @ rows[:4].T).abs().max() < 1e-4
    at_once = fit(images, some, 4, 6, 3.0, 0.5)
    together = torch.cat([rows[4:], at_once.rows.flatten(1)[4:]])
    alike = torch.nn.functional.cosine_similarity(together[:2], together[2:]).abs()
    assert (alike > 0.99).all()
    scale = (rows[4:].norm(dim=1) / at_once.rows.flatten(1)[4:].norm(dim=1)).log()
    assert scale.diff().abs() < 0.05, "scaled as the others are, but for one factor of all"


def test_it_draws_what_it_drew(narrow, wide):
    """With the sampler's noise in the old channels alone the same, as diffusers draws it channel by channel."""
    was, now = load(UNet2DConditionModel, narrow, "unet"), load(UNet2DConditionModel, wide, "unet")
    torch.manual_seed(0)
    noisy, text = torch.randn(2, 6, 16, 16), torch.randn(2, 8, was.config.cross_attention_dim)
    with torch.no_grad():
        before, after = was(noisy[:, :4], 500, text).sample, now(noisy, 500, text).sample
    assert torch.equal(after[:, :4], before)
    assert not after[:, 4:].any()
    decoders = [load(autoencoder.AutoencoderKL, folder, "vae") for folder in (narrow, wide)]
    with torch.no_grad():
        drawn = [net.decode(noisy[:, : net.config.latent_channels]).sample for net in decoders]
    assert torch.allclose(drawn[0], drawn[1], atol=1e-5)


def test_the_chat_draws_with_it_and_training_goes_on(wide, labelled, tmp_path):
    request = ImageRequest(count=1, seed=0, rash="acne", area="face", tone="fair")
    assert next(Generator.load(wide).draw(request))
    common = {"data": [{"path": labelled}], "device": "cpu", "autoencoder": wide, "clip": wide}
    schedule = {"minutes": 5, "batch": 4, "lr": 0.002, "warmup_steps": 2, "ema": 0.5, "max_steps": 12}
    recipe = unet.UNetRecipe(**common, kind="unet", run=tmp_path / "unet", start=wide, schedule=schedule)
    unet.train(recipe)
    rows = [json.loads(line) for line in (tmp_path / "unet" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["loss_held_out"] < 1.5
    learnt = load(UNet2DConditionModel, tmp_path / "unet", "unet")
    assert learnt.conv_out.weight[4:].any()
    assert len(Basis.load(wide / BASIS).rows) == 6


def test_it_does_not_take_channels_away(narrow, labelled):
    recipe = WidenRecipe(kind="widen", checkpoint=narrow, out=narrow.with_name("no"), latent_channels=4, data=[{"path": labelled}])
    with pytest.raises(ValueError, match="4 latent channels already"):
        widen(recipe)
