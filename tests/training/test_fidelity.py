"""The measure of being faithful: its arithmetic on made-up answers, and the whole way with a tiny judge and checkpoint."""

import json
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from assistant.frames import Trained
from generation import ita
from generation.ita import lab
from training import fidelity, judge, strips
from training.assemble import AssembleRecipe, assemble
from training.dataset import Images, read_folder

#: One worker for all that uses the same finished runs.
pytestmark = pytest.mark.xdist_group("runs")

KNOWN = Trained(rash=["acne", "eczema", "tinea"], area=["face", "back", "hand", "foot"], tone=["fair", "brown", "black"])


def test_requests_are_spread_evenly():
    requests = fidelity.evenly(KNOWN, 36, seed=3)
    for slot in ("rash", "area", "tone"):
        counts = Counter(getattr(request, slot) for request in requests)
        assert max(counts.values()) == min(counts.values())
    assert len({(r.rash, r.area, r.tone) for r in requests}) == 36 and len({r.seed for r in requests}) == 36


def test_the_band_of_a_tone():
    assert ita.band("very fair") == (55, 90)
    assert ita.band("brown") == (-30, 10)
    figures = fidelity.tone_figures([0.0, 14.0, 60.0, None], ["brown", "brown", "very fair", "fair"])
    assert figures["by_tone"]["brown"] == {"accuracy": 0.5, "error_degrees": 2.0, "images": 2}
    assert (figures["gap"], figures["not_measured"]) == (0.5, 1)


def test_the_lesion_is_left_out_of_the_tone():
    skin, lesion = (225, 175, 150), (120, 30, 30)
    image = np.full((64, 64, 3), skin, np.uint8)
    image[8:56, 8:56] = lesion
    chance = np.zeros((16, 16), np.float32)
    chance[2:14, 2:14] = 1
    L, _, b = lab(np.array(skin))
    assert fidelity.lesion_free_ita(image, chance) == pytest.approx(np.degrees(np.arctan2(L - 50, b)), abs=0.5)
    assert fidelity.lesion_free_ita(image, 0 * chance) < fidelity.lesion_free_ita(image, chance) - 10


def test_the_worst_class_is_named():
    figures = fidelity.class_figures(["a", "a", "b", "b"], ["a", "a", "b", "a"])
    assert (figures["accuracy"], figures["worst"], figures["worst_accuracy"]) == (0.75, "b", 0.5)
    assert figures["confusion"] == [[2, 0], [1, 1]]


def test_distances_between_sets_are_small_for_the_same_and_large_for_others():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 400, 16))
    far = b + 1.5
    assert abs(fidelity.kid(a, b)[0]) < 0.05 < fidelity.kid(a, far)[0]
    assert fidelity.cmmd(a, b) < 0.2 * fidelity.cmmd(a, far)


def test_a_copy_is_found():
    rng = np.random.default_rng(0)
    learnt = rng.integers(0, 255, (20, 64, 64, 3), np.uint8)
    made = [learnt[7], rng.integers(0, 255, (64, 64, 3), np.uint8)]
    distance, which = fidelity.nearest(fidelity.thumbnails(made), fidelity.thumbnails(learnt))
    assert which[0] == 7 and distance[0] == 0 < distance[1]
    among, _ = fidelity.nearest(fidelity.thumbnails(learnt), fidelity.thumbnails(learnt), other=True)
    assert (among > 0).all()


def test_the_overlap_of_a_strip_is_that_of_all_its_pairs():
    left, right, none = np.zeros((3, 4, 4), bool)
    left[:, :2] = right[:, 1:3] = True
    assert strips.overlap([left, left, left]) == 1
    assert strips.overlap([left, right]) == pytest.approx(1 / 3)
    assert strips.overlap([left, left, right]) == pytest.approx((1 + 1 / 3 + 1 / 3) / 3)
    assert strips.overlap([left, none]) == 0 and np.isnan(strips.overlap([none, none]))


def test_strips_are_asked_for_at_typical_sites_each_rash_in_turn():
    requests = strips.asked(Trained(rash=["acne", "eczema"], area=["face", "inner elbow", "hand"], tone=["brown", "fair"]), 4, seed=9)
    assert [r.rash for r in requests] == ["acne", "eczema", "acne", "eczema"] and len({r.seed for r in requests}) == 4
    assert requests[0].area == "face" and [r.tone for r in requests] == ["fair", "brown"] * 2
    assert [(r.tone, r.matched) for r in strips.in_every_tone(requests[1], ["fair", "brown"])] == [("fair", "brown"), ("brown", None)]


def test_a_lesion_that_is_seen_less_on_one_tone_is_compared_by_its_place():
    seen = np.zeros((3, 4, 4))
    seen[:, :2] = [[0.9], [0.6]]
    seen[2] *= 0.3  # the same lesion, and under what counts as seen
    masks = strips.as_much_of_each(seen)
    assert strips.overlap(masks) == 1 and masks[0].sum() == 8 and strips.overlap(list(seen > 0.3)) < 0.5
    seen[2] = seen[2, ::-1]  # elsewhere
    assert strips.overlap(strips.as_much_of_each(seen)) == pytest.approx(1 / 3)
    assert np.isnan(strips.overlap(strips.as_much_of_each(0 * seen)))


def test_one_request_drawn_alike_has_no_spread():
    features = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert fidelity.spread(features, ["a", "a", "b"]) == pytest.approx(0)
    assert fidelity.spread(features, [0, 0, 0]) == pytest.approx(2 / 3)


def test_lesions_move_with_the_picture(labelled):
    images = Images(read_folder(labelled), 64)
    pixels, lesion = judge.stacked(images, np.arange(8))
    moved, marked = judge.altered(pixels, lesion, judge.StepRandom(0, 1))
    assert moved.shape == pixels.shape and marked.shape == (8, 1, 64, 64)
    # the disc is red or white: where it is marked the picture differs from its corners
    outside = moved[..., :4, :4].mean((2, 3))
    small, marked = (torch.nn.functional.avg_pool2d(part, 4) for part in (moved, marked))
    for picture, mask, corner in zip(small, marked[:, 0], outside, strict=True):
        if (mask > 0.9).any():
            assert (picture[:, mask > 0.9].mean(1) - corner).abs().max() > 0.1


def test_the_whole_way(runs, labelled, tmp_path):
    schedule = {"minutes": 5, "batch": 8, "lr": 0.003, "optimizer": "adamw", "warmup_steps": 2, "ema": 0.5, "max_steps": 40}
    recipe = judge.JudgeRecipe(
        kind="judge", run=tmp_path / "judge", data=[{"path": labelled}], device="cpu", schedule=schedule, image_size=64, widths=(8, 16),
        out=tmp_path / "looking",
    )  # fmt: skip
    judge.train(recipe)
    losses = [json.loads(line) for line in (tmp_path / "judge" / "metrics.jsonl").read_text().splitlines()]
    assert losses[1]["loss_rash"] < losses[0]["loss_rash"]
    folder = assemble(
        AssembleRecipe(
            kind="assemble", out=tmp_path / "checkpoint", name="tiny", unet=runs / "unet", data=[labelled], autoencoder=runs / "autoencoder",
            clip=runs / "clip", steps=2, guidance_scale=1, classifier=tmp_path / "looking", rash_tries=1,
        )
    )  # fmt: skip
    from script2skin import app

    command = ["evaluate", "fidelity", "--model", folder, "--out", tmp_path / "out", "--judge", tmp_path / "judge", "--judged", labelled]
    command += ["--train", labelled, "--images", "16"]
    result = CliRunner().invoke(app, [str(part) for part in command], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out" / "fidelity.json").read_text())
    assert report["generated"]["images"] == 16 and report["failed"] == 0 and report["phantoms"]["images"] == 4
    assert set(report["generated"]["area"]["by_class"]) == {"face", "back of the neck"}
    assert report["copies"]["training_images"] == 20
    for name in ("confusion.png", "tone.png", "nearest.jpg", "fidelity.md"):
        assert (tmp_path / "out" / name).stat().st_size > 0
    fair = CliRunner().invoke(app, ["evaluate", "fairness", "--fidelity", str(tmp_path / "out")], catch_exceptions=False)
    assert fair.exit_code == 0 and "| fair | " in fair.output, fair.output
    rows = [json.loads(line) for line in (tmp_path / "out" / "pictures.jsonl").read_text().splitlines()]
    assert [row["source"] for row in rows] == ["generated"] * 16 + ["phantom"] * 4
    assert all(row["drawn_again_for_rash"] in (0, 1) and 0 <= row["chance"] <= 1 for row in rows[:16]), "the checkpoint looks at its pictures"
    assert all((tmp_path / "out" / row["file"]).exists() and {"seen_rash", "seen_area", "ita", "stops"} <= row.keys() for row in rows[:16])
    command = ["evaluate", "strips", "--model", folder, "--out", tmp_path / "strips", "--judge", tmp_path / "judge", "--strips", "2"]
    result = CliRunner().invoke(app, [str(part) for part in command], catch_exceptions=False)
    assert result.exit_code == 0 and "lesion overlap" in result.output, result.output
    report = json.loads((tmp_path / "strips" / "strips.json").read_text())
    assert len(report["generated"]["of_each"]) == 2 and report["phantoms"]["in_order"] == 1, "phantoms get darker with every tone"
    with Image.open(tmp_path / "strips" / "strips.jpg") as sheet:
        assert sheet.width == len(report["tones"]) * 132
    missing = CliRunner().invoke(app, ["evaluate", "fidelity", "--judge", str(tmp_path / "none")])
    assert missing.exit_code == 1 and "train it first" in missing.output
