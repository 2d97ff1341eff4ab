"""The whole way at tiny sizes, with the real classes: autoencoder, CLIP, U-Net, critic, and the folder the chat loads."""

import json
import shutil

import numpy as np
import pytest
import torch
import yaml
from diffusers import AutoencoderKL, StableDiffusionPipeline
from typer.testing import CliRunner

from generation.layout import read_layout
from training import autoencoder, clip, sharpen, unet
from training.assemble import AssembleRecipe, assemble, vocabulary_of
from training.cli import RECIPES, CardRecipe, app, read_recipe
from training.dataset import read_folder
from training.guidance import GuidanceRecipe
from training.judge import JudgeRecipe
from training.lesions import LesionsRecipe
from training.run import StepRandom, load_averaged
from training.widen import WidenRecipe

#: One worker for all that uses the same finished runs.
pytestmark = pytest.mark.xdist_group("runs")

SHORT = {"minutes": 5, "batch": 4, "lr": 0.002, "warmup_steps": 2, "ema": 0.5}


def rows(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_the_decoder_learns_and_the_encoder_stays(runs):
    first, *_, last = (row["loss"] for row in rows(runs / "autoencoder") if "loss" in row)
    assert last < 0.8 * first
    assert "psnr_lesion" in rows(runs / "autoencoder")[-1]


def test_sharpening_leaves_the_latents_as_they_are(runs):
    before, after = (load_averaged(AutoencoderKL, runs / name) for name in ("autoencoder", "sharpen"))
    assert unet.weights_hash(before) == unet.weights_hash(after)
    assert any(
        not torch.equal(a, b) for a, b in zip(before.decoder.parameters(), after.decoder.parameters(), strict=True)
    )
    assert {"critic_hinge", "loss_reconstruction"} <= rows(runs / "sharpen")[0].keys()


def test_the_unet_learns(runs):
    losses = [row["loss"] for row in rows(runs / "unet") if "loss" in row]
    assert losses[-1] < losses[0]
    assert np.isfinite(rows(runs / "unet")[-1]["loss_held_out"])
    assert next((runs / "unet" / "validation").glob("*.png"))


def test_only_new_images_are_encoded(runs, labelled, tmp_path, monkeypatch):
    model = load_averaged(AutoencoderKL, runs / "autoencoder")
    basis = runs / "autoencoder" / unet.BASIS
    records = read_folder(labelled)
    unet.Latents(tmp_path, model, basis).of(records[:20])
    encoded = []
    real = unet.Latents._encode
    monkeypatch.setattr(unet.Latents, "_encode", lambda self, part, n: encoded.extend(part) or real(self, part, n))
    latents, lesion = unet.Latents(tmp_path, model, basis).of(records[::-1])
    assert encoded == records[20:][::-1]
    assert latents.shape == (24, 1, 4, 16, 16) and lesion.shape == (24, 1, 1, 16, 16)
    alone, _ = unet.Latents(tmp_path / "other", model, tmp_path / "no basis").of(records[5:6])
    assert torch.allclose(latents[24 - 6].float(), alone[0].float(), atol=0.1)
    assert 0.03 < lesion.float().mean() < 0.12  # a disc of radius 10 in 64 by 64 is 7.7 %


def test_a_mirrored_picture_is_kept_beside_it(runs, labelled, tmp_path):
    model = load_averaged(AutoencoderKL, runs / "autoencoder")
    basis = runs / "autoencoder" / unet.BASIS
    records = read_folder(labelled)[:3]
    latents, lesion = unet.Latents(tmp_path, model, basis, mirror=True).of(records)
    assert latents.shape == (3, 2, 4, 16, 16)
    assert torch.equal(lesion[:, 1], lesion[:, 0].flip(-1)) and not torch.equal(lesion[:, 1], lesion[:, 0])
    straight = model.decode(latents[:, 0].float()).sample
    turned = model.decode(latents[:, 1].float()).sample
    assert (turned - straight.flip(3)).abs().mean() < 0.5 * (turned - straight).abs().mean()


def test_pictures_added_while_training_are_learnt(runs, labelled, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(labelled, data)
    lines = (data / "metadata.jsonl").read_text().splitlines(keepends=True)
    (data / "metadata.jsonl").write_text("".join(lines[:10] + lines[20:]))
    recipe = unet.UNetRecipe(
        kind="unet", run=tmp_path / "unet", data=[{"path": data}], device="cpu", autoencoder=runs / "autoencoder",
        clip=runs / "clip", schedule={**SHORT, "max_steps": 1},
    )  # fmt: skip
    material = unet.Material(recipe, torch.device("cpu"))
    assert len(material.records) == 14
    before = material.latents.clone()
    (data / "metadata.jsonl").write_text("".join(lines))
    material._look({record.path for record in material.records})
    batch = material.batch(StepRandom(0, 0))
    assert len(material.records) == 24 and material.chances[14:].min() > 0
    assert torch.equal(material.latents[:14], before) and batch.text.shape[0] == 4


def test_velocity_gives_image_and_noise_back():
    clean, noise = torch.randn(2, 3, 1, 4, 4)
    alpha = torch.tensor([0.0, 0.3, 1.0])
    noisy, v = unet.velocity(clean, noise, alpha)
    a, s = alpha.sqrt().view(-1, 1, 1, 1), (1 - alpha).sqrt().view(-1, 1, 1, 1)
    assert torch.allclose(a * noisy - s * v, clean, atol=1e-6)
    assert torch.allclose(s * noisy + a * v, noise, atol=1e-6)


def test_the_last_step_is_pure_noise():
    assert unet.noise_scheduler().alphas_cumprod[-1].item() == pytest.approx(0, abs=1e-6)


def test_times_are_spread_over_the_whole_range():
    times = unet.stratified_times(10, 1000, torch.Generator().manual_seed(0))
    assert (times // 100).tolist() == list(range(10))


def test_emphasis_moves_draws_between_its_bounds():
    emphasis = unet.Emphasis(low=500, high=900, share=0.5)
    times = unet.stratified_times(1000, 1000, torch.Generator().manual_seed(0), emphasis)
    assert ((times >= 500) & (times < 900)).float().mean() == pytest.approx(0.5 + 0.5 * 0.4, abs=0.01)
    assert times.min() < 10 and times.max() > 990


@pytest.fixture(scope="module")
def checkpoint(runs, labelled):
    parts = {"unet": runs / "unet", "autoencoder": runs / "sharpen", "clip": runs / "clip"}
    return assemble(AssembleRecipe(kind="assemble", out=runs / "checkpoint", name="tiny", data=[labelled], **parts))


def test_what_is_not_yet_good_is_not_offered(labelled):
    records = read_folder(labelled)
    assert vocabulary_of(records, frozenset({"acne"})).rash == {"vitiligo"}
    with pytest.raises(ValueError, match="no measles"):
        vocabulary_of(records, frozenset({"measles"}))


def test_what_was_trained_is_what_the_chat_loads(checkpoint):
    folder = checkpoint
    layout = read_layout(folder)
    assert layout.resolution == 64
    card = json.loads((folder / "script2skin.json").read_text())
    assert card["trained"] == {"rash": ["acne", "vitiligo"], "area": ["back of the neck", "face"], "tone": ["black", "fair"]}
    pipe = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    caption = "acne type of rash at the face area on a fair skin"
    def draw():
        return pipe(caption, num_inference_steps=2, generator=torch.Generator().manual_seed(3), output_type="np")
    image = draw().images[0]
    assert image.shape == (64, 64, 3) and np.isfinite(image).all() and image.std() > 0
    assert np.array_equal(image, draw().images[0])


def test_training_goes_on_from_a_checkpoint_alone(checkpoint, labelled, tmp_path):
    """Without the runs that made it: the first loss is that of a trained model, and latents are the same."""
    common = {"data": [{"path": labelled}], "device": "cpu", "schedule": {**SHORT, "lr": 1e-5, "max_steps": 2}}
    fresh = {"kind": "unet", "autoencoder": checkpoint, "clip": checkpoint, "run": tmp_path / "unet"}
    unet.train(unet.UNetRecipe(**common, **fresh, start=checkpoint))
    trained = rows(checkpoint.parent / "unet")[-1]["loss_held_out"]
    assert rows(tmp_path / "unet")[-1]["loss_held_out"] == pytest.approx(trained, rel=0.1)
    sharpen.train(sharpen.SharpenRecipe(**common, kind="sharpen", run=tmp_path / "s", autoencoder=checkpoint, crop=32))
    fresh = {"kind": "autoencoder", "run": tmp_path / "a", "crop": 32, "architecture": {"image_size": 64}}
    autoencoder.train(autoencoder.AutoencoderRecipe(**common, **fresh, start=checkpoint))
    again = AssembleRecipe(
        kind="assemble", out=tmp_path / "again", name="again", unet=tmp_path / "unet", autoencoder=tmp_path / "a",
        clip=checkpoint, data=[labelled],
    )  # fmt: skip
    folder = assemble(again)
    assert (folder / "text_encoder" / "model.safetensors").read_bytes() == (
        checkpoint / "text_encoder" / "model.safetensors"
    ).read_bytes()
    assert (folder / unet.BASIS).read_bytes() == (checkpoint / unet.BASIS).read_bytes()


def test_the_card_is_written(checkpoint, runs, tmp_path):
    told = {
        "kind": "card",
        "checkpoint": str(checkpoint),
        "runs": {name: str(runs / name) for name in ("autoencoder", "unet")},
        "data": ["make data"],
        "limits": ["Tiny."],
        "at": {"area": "face", "rash": "acne", "tone": "fair"},
        "fidelity": str(tmp_path / "fidelity"),
        "judged": "By a judge.",
    }
    (tmp_path / "fidelity").mkdir()
    for name in ("fidelity.json", "tone.png", "confusion.png"):
        (tmp_path / "fidelity" / name).write_text(name)
    (tmp_path / "fidelity" / "fidelity.md").write_text("| images |\n| --- |\n")
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(told))
    result = CliRunner().invoke(app, ["card", str(tmp_path / "card.yaml")], catch_exceptions=False)
    assert result.exit_code == 0
    text = (checkpoint / "README.md").read_text()
    assert "| unet | 30 |" in text and "- Tiny." in text and "By a judge." in text and "| images |" in text
    assert (checkpoint / "fidelity.json").read_text() == "fidelity.json"
    assert (checkpoint / "every_area.jpg").exists()

    before = tmp_path / "before"
    before.mkdir()
    (before / "training.json").write_text((checkpoint / "training.json").read_text())
    told |= {"earlier": str(before), "runs": {"unet, again": str(runs / "unet")}}
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(told))
    CliRunner().invoke(app, ["card", str(tmp_path / "card.yaml")], catch_exceptions=False)
    kept = json.loads((checkpoint / "training.json").read_text())
    assert list(kept) == ["autoencoder", "unet", "unet, again"]


def test_a_wrong_key_in_a_recipe_is_named(tmp_path):
    text = (RECIPES / "unet.yaml").read_text().replace("lesion_weight", "lesion_wieght")
    (tmp_path / "mine.yaml").write_text(text)
    result = CliRunner().invoke(app, ["unet", str(tmp_path / "mine.yaml")])
    assert result.exit_code == 2 and "lesion_wieght" in result.output


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("autoencoder", autoencoder.AutoencoderRecipe),
        ("sharpen", sharpen.SharpenRecipe),
        ("clip", clip.ClipRecipe),
        ("unet", unet.UNetRecipe),
        ("guidance", GuidanceRecipe),
        ("judge", JudgeRecipe),
        ("rash_classifier", JudgeRecipe),
        ("lesions", LesionsRecipe),
        ("gpu/guidance", GuidanceRecipe),
        ("continue_guidance", GuidanceRecipe),
        ("assemble", AssembleRecipe),
        ("card", CardRecipe),
        ("continue_unet", unet.UNetRecipe),
        ("continue_assemble", AssembleRecipe),
        ("continue_sharpen", sharpen.SharpenRecipe),
        ("gpu/autoencoder", autoencoder.AutoencoderRecipe),
        ("gpu/sharpen", sharpen.SharpenRecipe),
        ("gpu/clip", clip.ClipRecipe),
        ("gpu/unet", unet.UNetRecipe),
        ("gpu/assemble", AssembleRecipe),
        ("widen", WidenRecipe),
        ("gpu/continue_unet", unet.UNetRecipe),
        ("gpu/continue_autoencoder", autoencoder.AutoencoderRecipe),
        ("gpu/continue_sharpen", sharpen.SharpenRecipe),
        ("gpu/continue_guidance", GuidanceRecipe),
        ("gpu/continue_assemble", AssembleRecipe),
    ],
)
def test_the_projects_recipes_are_valid(name, kind):
    assert read_recipe(RECIPES / f"{name}.yaml", kind).kind == {"rash_classifier": "judge"}.get(name, name.split("/")[-1].removeprefix("continue_"))
