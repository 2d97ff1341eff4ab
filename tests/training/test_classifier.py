"""Classifiers, what their probabilities are worth, and what they say of a folder."""

import csv
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from data import clean, manifest, recognised
from tests.training import shapes
from training import classifier
from training.arms import Cell, material, read_pool
from training.classifier import Architecture, Classifier, Fit
from training.intervals import holm, interval, resamples
from training.pairs import Fed
from training.run import TrainingError
from training.scores import auroc, class_scores, ece, scores, sensitivity
from training.varied import STRONG, USUAL, Reach, changed, changes

ONE = np.ones((1, 6))
CPU = torch.device("cpu")
SMALL = {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"}
FED = Fed(32, *classifier.PLAIN)


# ── figures, against values worked out by hand ──────────────────────────────────────────────────────────────────


def test_auroc_is_the_share_of_pairs_in_order_ties_half():
    score, positive = np.array([0.1, 0.4, 0.4, 0.8, 0.9, 0.2]), np.array([0, 0, 1, 1, 0, 1], bool)
    pairs = [(a > b) + (a == b) / 2 for a, b in product(score[positive], score[~positive])]
    assert auroc(score, positive, ONE)[0] == pytest.approx(np.mean(pairs)) == pytest.approx(4.5 / 9)
    assert np.isnan(auroc(score, np.zeros(6, bool), ONE)[0])


def test_sensitivity_is_read_at_the_specificity_asked_for():
    score, positive = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]), np.array([1, 0, 1, 1, 0, 0], bool)
    # thresholds: 0.9 → 1/3 at specificity 1; 0.6 → 3/3 at specificity 2/3
    assert sensitivity(score, positive, ONE, 0.9)[0] == pytest.approx(1 / 3)
    assert sensitivity(score, positive, ONE, 0.66)[0] == pytest.approx(1)
    assert sensitivity(-score, positive, ONE, 0.9)[0] == 0


def test_calibration_error_is_the_mean_distance_in_bins():
    confidence, right = np.array([0.95, 0.95, 0.95, 0.95, 0.55, 0.55]), np.array([1, 1, 1, 0, 1, 0], bool)
    assert ece(confidence, right, ONE)[0] == pytest.approx((4 * 0.2 + 2 * 0.05) / 6)


def test_balanced_accuracy_and_brier_of_three_classes():
    chances = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4], [0.1, 0.2, 0.7], [0.1, 0.1, 0.8], [0.6, 0.2, 0.2]])
    truth = np.array([0, 0, 2, 2, 2, 1])
    told = scores(chances, truth, ONE, 0.9)
    assert told["accuracy"][0] == pytest.approx(4 / 6)
    assert told["balanced_accuracy"][0] == pytest.approx((1 / 2 + 0 + 1) / 3)
    assert told["brier"][0] == pytest.approx(((chances - np.eye(3)[truth]) ** 2).sum() / 6)
    assert class_scores(chances, truth, ONE, 0.9, 0)["recall"][0] == 0.5


def test_a_weight_is_as_good_as_a_repetition():
    rng = np.random.default_rng(0)
    chances, truth = rng.dirichlet(np.ones(3), 40), rng.integers(0, 3, 40)
    times = rng.integers(0, 4, 40)
    weighted = scores(chances, truth, times[None].astype(float), 0.8)
    repeated = scores(np.repeat(chances, times, 0), np.repeat(truth, times), np.ones((1, times.sum())), 0.8)
    for name in weighted:
        assert weighted[name][0] == pytest.approx(repeated[name][0]), name


def test_patients_are_drawn_whole_and_within_their_class():
    drawn = resamples(["a", "a", "a", "b", "b"], [1, 1, 2, 3, 4], 200)
    assert (drawn[:, 0] == drawn[:, 1]).all() and drawn[:, 0].std() > 0
    assert (drawn[:, 1] + drawn[:, 2] == 2).all() and (drawn[:, 3] + drawn[:, 4] == 2).all()


def test_an_interval_of_no_difference_includes_zero_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    missed = 0
    for trial in range(200):
        pictures = rng.normal(0, 1, 60)[:, None] + rng.normal(0, 0.5, 5)  # what is common to all seeds, and each seed's own
        weights = rng.multinomial(60, np.full(60, 1 / 60), 200) / 60
        told = interval(pictures.mean(0) / 20, weights @ pictures / 20, seed=trial)
        missed += not told.low <= 0 <= told.high
    assert 2 <= missed <= 20  # 5 % of 200 is 10


def test_fewer_seeds_give_wider_intervals():
    rng = np.random.default_rng(0)
    by_seed = np.array([0.02, 0.06, 0.04, 0.03, 0.05])
    five = interval(by_seed, by_seed + rng.normal(0, 0.005, (500, 1)))
    two = interval(by_seed[:2], by_seed[:2] + rng.normal(0, 0.005, (500, 1)))
    assert two.high - two.low > 3 * (five.high - five.low) and five.low > 0 > two.low


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, float("nan")]) == pytest.approx([0.04, 0.09, 0.09, 1])
    assert holm([]) == []


# ── pictures and models ─────────────────────────────────────────────────────────────────────────────────────────


def test_pictures_that_stray_by_nothing_stay_as_they_are():
    pixels = torch.rand(3, 3, 16, 16)
    still = changes(np.random.default_rng(0), 3, Reach(0, 0, 0, 0, 0), upright=True)
    still[:, 0] = 1
    assert torch.allclose(changed(pixels, still), pixels, atol=1e-5)
    still[:, 0] = -1
    assert torch.allclose(changed(pixels, still), pixels.flip(3), atol=1e-5)
    assert (changes(np.random.default_rng(0), 50, STRONG, upright=True)[:, 1] == 1).all()
    assert {-1.0, 1.0} == set(changes(np.random.default_rng(0), 50, USUAL, upright=False)[:, 1])


@pytest.mark.parametrize(
    ("family", "shape"),
    [("resnet", SMALL), ("mobilenet", {"depth_multiplier": 0.25}), ("vit", {"patch_size": 8, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16})],
)  # fmt: skip
def test_every_family_is_built_from_scratch_or_from_a_folder(family, shape, tmp_path):
    model = classifier.build(Architecture(family=family, shape=shape), shapes.CLASSES, 32)
    assert model(pixel_values=torch.zeros(2, 3, 32, 32)).logits.shape == (2, 2)
    assert not [m for m in model.modules() if isinstance(m, nn.BatchNorm2d) and m.momentum > 0.5]
    assert not [m for m in model.modules() if isinstance(m, nn.Dropout) and m.p > 0.5]
    model.save_pretrained(tmp_path / "weights")
    again = classifier.build(Architecture(pretrained=str(tmp_path / "weights")), ("a", "b", "c"), 32)
    assert again.config.id2label == {0: "a", 1: "b", 2: "c"}
    same = [torch.equal(value, again.state_dict()[name]) for name, value in model.state_dict().items() if value.ndim > 1 and "classifier" not in name]
    assert same and all(same)


def test_what_is_no_architecture_is_said():
    with pytest.raises(TrainingError, match="cannot be made at 32 pixels"):
        classifier.build(Architecture(family="resnet", shape={"hidden_sizes": "wide"}), shapes.CLASSES, 32)
    with pytest.raises(TrainingError, match="no weights 'nowhere'"):
        classifier.fed_of(Architecture(pretrained="nowhere"), 32)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("classifier")
    pool, classes = read_pool("real", shapes.write(root / "set", {"train": 20, "validation": 4}, 0), None, FED, root)
    learnt = material(Cell("resnet", "real"), pool, {}, classes, False, False)
    seen = []
    model, losses = classifier.train(Architecture(family="resnet", shape=SMALL, lr=0.01), Fit(updates=12, batch=8), learnt, classes, FED, 0, CPU, seen.append)
    assert seen == list(range(1, 13)) and len(losses) == 12
    return root, pool, learnt, Classifier(model, tuple(classes), FED)


def test_the_same_seed_trains_the_same_and_weights_move(trained):
    _, pool, learnt, done = trained
    told = Architecture(family="resnet", shape=SMALL, lr=0.01)
    again, _ = classifier.train(told, Fit(updates=12, batch=8), learnt, done.classes, FED, 0, CPU)
    other, _ = classifier.train(told, Fit(updates=12, batch=8), learnt, done.classes, FED, 1, CPU)
    chances = [classifier.probabilities(model, pool.pixels[:6], FED, CPU) for model in (done.model, again, other)]
    assert np.array_equal(chances[0], chances[1]) and not np.allclose(chances[0], chances[2])
    torch.manual_seed(0)
    start = classifier.build(told, done.classes, 32).state_dict()
    assert all(not torch.equal(value, start[name]) for name, value in done.model.state_dict().items() if value.ndim > 1)


def test_a_loss_that_is_no_number_is_said(trained):
    _, _, learnt, done = trained
    with pytest.raises(TrainingError, match="lower lr"):
        classifier.train(Architecture(family="resnet", shape=SMALL, lr=1e30), Fit(updates=6, batch=8), learnt, done.classes, FED, 0, CPU)


def test_a_kept_classifier_says_of_a_folder_what_it_said_in_memory(trained, tmp_path):
    root, pool, _, done = trained
    named = Classifier(done.model, ("seborrheic keratosis", "mole"), done.fed)
    classifier.save(named, tmp_path / "kept", id="x")
    again = classifier.read(tmp_path / "kept", CPU)
    images = root / "set" / "images"
    count = classifier.predict(again, images, tmp_path / "out" / "predictions.csv", CPU)
    rows = list(csv.DictReader((tmp_path / "out" / "predictions.csv").open()))
    assert count == len(rows) == 48
    assert list(rows[0]) == ["image_id", "seborrheic_keratosis", "mole"]
    assert [row["image_id"] for row in rows] == sorted(path.stem for path in images.iterdir())
    expected = classifier.probabilities(done.model, pool.pixels, FED, CPU)
    by_name = {record.path.stem: chances for record, chances in zip(pool.records, expected, strict=True)}
    for row in rows:
        assert [float(row["seborrheic_keratosis"]), float(row["mole"])] == pytest.approx(by_name[row["image_id"]], abs=2e-5)
        assert float(row["seborrheic_keratosis"]) + float(row["mole"]) == pytest.approx(1, abs=2e-6)


def test_a_set_is_filtered_by_a_kept_classifier(trained, tmp_path):
    root, pool, _, done = trained
    folder = tmp_path / "set"
    shutil.copytree(root / "set" / "images", folder / "images")
    usual = {"text": "x", "source": "s", "license": "CC0-1.0", "split": "train"}
    rows = [
        manifest.Row(rash=record.values["rash"], file_name=f"images/{record.path.name}", group=str(i), **usual) for i, record in enumerate(pool.records)
    ]
    manifest.write(folder, rows)
    classes = sorted({row.rash for row in rows})
    classifier.save(Classifier(done.model, tuple(classes), done.fed), tmp_path / "kept")
    strange = rows[0].model_copy(update={"rash": "warts"})
    chances = recognised.by_judge(tmp_path / "kept", folder, [*rows, strange])
    expected = {record.path.name: said for record, said in zip(pool.records, classifier.probabilities(done.model, pool.pixels, FED, CPU), strict=True)}
    for row, chance in zip(rows, chances[:-1], strict=True):
        assert chance == pytest.approx(expected[Path(row.file_name).name][classes.index(row.rash)], abs=2e-5)
    assert chances[-1] is None
    found = clean.look(folder, judge=tmp_path / "kept", judge_from=1.0)
    assert len(found.discarded) == len(rows) and all(any("judge" in reason.reason for reason in reasons) for reasons in found.discarded.values())


@pytest.mark.parametrize("name", ["isic2017_real", "isic2017_hybrid"])
def test_the_projects_classifiers_tell_of_any_folder(name, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8)).save(tmp_path / "ISIC_1.jpg")
    kept = classifier.read(Path(classifier.__file__).parent / "classifiers" / name, CPU)
    assert classifier.predict(kept, tmp_path, tmp_path / "out.csv", CPU) == 1
    (row,) = csv.DictReader((tmp_path / "out.csv").open())
    assert set(row) == {"image_id", "melanoma", "seborrheic_keratosis", "mole"} and sum(float(v) for k, v in row.items() if k != "image_id") == pytest.approx(1, abs=1e-4)


def test_folders_that_cannot_be_predicted_are_said_and_leave_no_half_file(trained, tmp_path):
    done = trained[3]

    def refused(folder):
        with pytest.raises(TrainingError) as error:
            classifier.predict(done, folder, tmp_path / "p.csv", CPU)
        assert not (tmp_path / "p.csv").exists()
        return str(error.value)

    for name in ("empty", "twice/a", "twice/b", "broken"):
        (tmp_path / name).mkdir(parents=True)
    assert "No picture" in refused(tmp_path / "empty")
    for name in ("twice/a/x.png", "twice/b/x.jpg", "empty/ISIC_1_superpixels.png"):
        Image.new("RGB", (40, 30)).save(tmp_path / name)
    assert "same name" in refused(tmp_path / "twice")
    assert "No picture" in refused(tmp_path / "empty"), "superpixels are none"
    (tmp_path / "broken" / "x.png").write_bytes(b"\x89PNG no")
    assert "x.png is no picture" in refused(tmp_path / "broken")
    with pytest.raises(TrainingError, match="holds no classifier"):
        classifier.read(tmp_path / "broken", CPU)


def test_balanced_updates_show_every_class_equally_often():
    labels = np.array([0] * 90 + [1] * 10)
    chances = classifier._chances(labels, 2, True)
    assert chances[labels == 0].sum() == pytest.approx(chances[labels == 1].sum())
    assert np.ptp(classifier._chances(labels, 2, False)) == 0


def test_loss_of_certain_right_answers_is_small_and_probabilities_are_softmax(trained):
    done, pool = trained[3], trained[1]
    pixels = FED.normalised(np.array(pool.pixels[:4]))
    with torch.no_grad():
        logits = done.model(pixel_values=pixels).logits
    assert np.allclose(classifier.probabilities(done.model, pool.pixels[:4], FED, CPU), F.softmax(logits, 1).numpy(), atol=1e-5)
