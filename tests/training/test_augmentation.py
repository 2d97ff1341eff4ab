"""The hybrid experiment: what helps is said to help, what is useless is not, held-out pictures in the generator are refused."""

import csv
import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from pydantic import ValidationError
from typer.testing import CliRunner

from script2skin import app
from tests.training import shapes
from training import augmentation, classifier, leaks, report
from training.arms import Cell, material, read_pool, share_of
from training.augmentation import AugmentationRecipe, Experiment, cells, run
from training.cli import RECIPES, read_recipe
from training.pairs import Fed
from training.run import TrainingError
from training.scores import scores

warnings.filterwarnings("ignore", category=FutureWarning)
RESNET = {"family": "resnet", "shape": {"embedding_size": 8, "hidden_sizes": [8, 16, 32], "depths": [1, 1, 1], "layer_type": "basic"}, "lr": 0.01}
FED = Fed(32, *classifier.PLAIN)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Few real pictures; as synthetic sets more of the same (a perfect generator) and the same drawing under labels at random."""
    root = tmp_path_factory.mktemp("sets")
    rng = np.random.default_rng(0)
    shapes.write(root / "real", {"train": 3, "validation": 60}, 0)
    shapes.write(root / "more", {"train": 60}, 1)
    shapes.write(root / "wrong", {"train": 60}, 2, labels=lambda name: str(rng.choice(shapes.CLASSES)))
    return root


def recipe(sets, out, **values):
    told = {
        "kind": "augmentation", "out": out, "expected": "A large gain from more of the same, none from wrong labels.", "real": sets / "real",
        "synthetic": {name: {"path": sets / name, "generator_data": []} for name in ("more", "wrong")}, "classifiers": {"resnet": RESNET},
        "controls": ["duplicated", "augmented", "noise"], "synthetic_only": False, "ratios": [20], "shares": [1], "seeds": [0, 1, 2, 3, 4], "image_size": 32,
        "fit": {"updates": 80, "batch": 12}, "measure": "auroc", "resamples": 300, "device": "cpu",
    }  # fmt: skip
    return AugmentationRecipe(**{**told, **values})


@pytest.fixture(scope="module")
def done(sets, tmp_path_factory):
    """A whole experiment with planted outcomes, and the lines that it said."""
    out, said = tmp_path_factory.mktemp("experiment") / "out", []
    run(recipe(sets, out), say=said.append)
    return out, said, json.loads((out / "report.json").read_text())


def comparison(told, **values):
    return next(each for each in told["comparisons"] if all(each[name] == value for name, value in values.items()))


# ── what came out ───────────────────────────────────────────────────────────────────────────────────────────────


def test_more_of_the_same_pictures_is_reported_as_helping(done):
    made = comparison(done[2], kind="hybrid", synthetic="more")
    assert made["verdict"] == "helps"
    assert made["differences"]["auroc"]["low"] > 0.1 and made["differences"]["brier"]["high"] < 0
    assert {control["against"] for control in made["controls"]} == {"real + 20 × real, the same again", "real + 20 × real, changed"}
    assert all(control["differences"]["auroc"]["low"] > 0 for control in made["controls"])


@pytest.mark.parametrize("which", [{"kind": "hybrid", "synthetic": "wrong"}, {"kind": "noise"}])
def test_shuffled_labels_and_noise_are_reported_as_useless(done, which):
    made = comparison(done[2], **which)
    assert made["verdict"] in ("no use shown", "worse than real only")
    assert made["differences"]["auroc"]["low"] <= 0


def test_the_report_says_so_in_words_with_what_was_expected_first(done):
    out, said, _ = done
    text = (out / "report.md").read_text()
    assert said[0] == "Expected: A large gain from more of the same, none from wrong labels."
    assert text.index("A large gain from more of the same") < text.index("## What came out")
    assert "**more helps** in 1 of 1 comparisons" in text
    assert "**No use of wrong is shown**" in text or "**wrong is of no use here" in text
    assert "A set of noise came out as of no use" in text
    plots = [line.split("(")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert len(plots) == 4 and all(Image.open(out / plot).width > 300 for plot in plots)
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 4 and "<table>" in page


def test_the_worst_group_comes_first(done):
    rows = (done[0] / "report.md").read_text().split("## Worst groups first")[1].split("##")[0]
    hybrid = [float(line.split("|")[7]) for line in rows.splitlines() if line.startswith(("| class", "| tone"))]
    assert len(hybrid) == 8 and hybrid == sorted(hybrid), "two classes and two tones of two sets"
    told = list(csv.DictReader((done[0] / "groups.csv").open()))
    assert {row["name"] for row in told} == {*shapes.CLASSES, *shapes.SKIN}
    assert {row["figure"] for row in told if row["group"] == "tone"} >= {"accuracy", "balanced_accuracy", "auroc", "sensitivity", "ece"}


def test_every_figure_is_that_of_its_files(done):
    out, _, told = done
    for arm in told["arms"]:
        for place, cell in enumerate(arm["cells"]):
            result = json.loads((out / "cells" / cell / "result.json").read_text())
            with np.load(out / "cells" / cell / "predictions.npz") as file:
                truth = np.array([shapes.CLASSES.index("acne" if int(name[11:14]) % 2 == 0 else "tinea") for name in file["names"]])
                again = scores(file["chances"], truth, np.ones((1, 120)), 0.9)
            assert arm["figures"]["auroc"][place] == pytest.approx(again["auroc"][0]) == pytest.approx(result["scores"]["auroc"])
            assert result["seed"] == place and len(result["data_sha256"]) == len(result["config_sha256"]) == 64
            assert f"`{cell}`" in (out / "report.md").read_text()
    assert len(list(csv.DictReader((out / "cells.csv").open()))) == 30


def test_all_arms_have_equal_updates_and_unequal_ones_are_refused(done, sets):
    out = done[0]
    assert {json.loads(path.read_text())["updates"] for path in out.glob("cells/*/result.json")} == {80}
    experiment = Experiment(recipe(sets, out), lambda line: None)
    results = experiment.results()
    results[3].told["updates"] = 99
    with pytest.raises(TrainingError, match="different numbers of updates"):
        report.gathered(experiment, results, np.ones((10, 120)))


def test_the_best_classifiers_are_kept_and_are_those_of_the_files(done):
    out, _, told = done
    assert told["best"]["hybrid"]["cell"]["synthetic"] == "more" and told["best"]["real"]["cell"]["kind"] == "real"
    for kind in ("real", "hybrid"):
        kept = json.loads((out / "best" / kind / classifier.FILE).read_text())
        assert kept["trained_again_differs_by"] < 1e-4 and (out / "cells" / kept["id"]).is_dir()


def test_a_stopped_experiment_goes_on_to_the_same_report(done, sets, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(done[0], out)
    gone = sorted((out / "cells").iterdir())[::15]
    before = {path.name: np.load(path / "predictions.npz")["chances"] for path in gone}
    for path in gone:
        shutil.rmtree(path)
    (out / "cells" / f".{gone[0].name}.1").mkdir()  # half a cell, of a kill
    untouched = {path: path.stat().st_mtime_ns for path in out.glob("cells/*/result.json")}
    said = []
    run(recipe(sets, out), say=said.append)
    assert sum("min left" in line for line in said) == len(gone) == 2
    for path in gone:
        assert np.array_equal(np.load(path / "predictions.npz")["chances"], before[path.name])
    assert all(path.stat().st_mtime_ns == when for path, when in untouched.items())
    again = json.loads((out / "report.json").read_text())
    assert {**again, "config": 0} == {**done[2], "config": 0}


def test_parts_train_their_cells_and_the_report_waits_for_all(sets, tmp_path):
    told = recipe(sets, tmp_path / "out", controls=[], seeds=[0], fit={"updates": 1, "batch": 4})
    assert run(told, (1, 3), lambda line: None) is None
    assert len(list((tmp_path / "out" / "cells").iterdir())) == 1
    with pytest.raises(TrainingError, match="not trained yet"):
        Experiment(told, lambda line: None).results()


# ── what is learnt from ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def pools(tmp_path_factory):
    root = tmp_path_factory.mktemp("pools")
    real, classes = read_pool("real", shapes.write(root / "real", {"train": 40, "validation": 4}, 0), None, FED, root)
    drawn, _ = read_pool("drawn", shapes.write(root / "drawn", {"train": 30}, 1), classes, FED, root)
    return real, drawn, classes


def test_the_share_is_the_same_for_every_arm_and_smaller_ones_lie_within_larger(pools):
    real, drawn, classes = pools
    small, large, other = share_of(real, 0.1, 0), share_of(real, 0.25, 0), share_of(real, 0.25, 1)
    assert set(small) < set(large) and set(large) != set(other)
    assert np.bincount(real.labels[large]).tolist() == [10, 10]
    assert all(real.records[i].split == "train" for i in share_of(real, 1, 0))
    assert len(share_of(real, 0.001, 0)) == 2, "one of each class at least"
    for kind in ("real", "duplicated", "augmented", "hybrid", "shuffled", "noise"):
        learnt = material(Cell("x", kind, "drawn", 2.0, 0.25, 0), real, {"drawn": drawn}, classes, False, False)
        assert learnt.row[: len(large)].tolist() == large.tolist(), kind


def test_what_is_added_has_the_same_size_and_classes_in_every_arm(pools):
    real, drawn, classes = pools
    for kind in ("duplicated", "augmented", "hybrid", "shuffled", "noise"):
        learnt = material(Cell("x", kind, "drawn", 2.0, 0.25, 0), real, {"drawn": drawn}, classes, False, False)
        assert len(learnt) == 60 and learnt.counts[kind] == {"acne": 20, "tinea": 20} and learnt.short == 0, kind
        assert learnt.pixels(np.array([0, 59])).shape == (2, 3, 32, 32)
    short = material(Cell("x", "hybrid", "drawn", 2.0, 1, 0), real, {"drawn": drawn}, classes, False, False)
    assert short.counts["hybrid"] == {"acne": 30, "tinea": 30} and short.short == 100
    only = material(Cell("x", "synthetic", "drawn", seed=0), real, {"drawn": drawn}, classes, False, False)
    assert list(only.counts) == ["synthetic"] and len(only) == 60


def test_controls_are_what_they_say(pools):
    real, drawn, classes = pools

    def learnt(kind):
        return material(Cell("x", kind, "drawn", 2.0, 0.25, 0), real, {"drawn": drawn}, classes, False, False)

    twice = learnt("duplicated")
    assert sorted(twice.row[20:]) == sorted([*twice.row[:20]] * 2) and np.isnan(twice.changes).all()
    assert not np.isnan(learnt("augmented").changes[20:]).any() and learnt("augmented").digest() == learnt("augmented").digest()
    shuffled, hybrid = learnt("shuffled"), learnt("hybrid")
    assert (shuffled.row == hybrid.row).all() and (shuffled.labels != hybrid.labels).sum() > 8
    assert len({each.digest() for each in map(learnt, ("real", "duplicated", "augmented", "hybrid", "shuffled", "noise"))}) == 6


def test_the_grid_has_useless_controls_at_the_largest_ratio_only(sets, tmp_path):
    told = recipe(sets, tmp_path, ratios=[1, 3], shares=[0.1, 1], controls=["duplicated", "augmented", "shuffled", "noise"], synthetic_only=True, seeds=[0])
    grid = cells(told)
    assert len(grid) == len(set(grid)) == 2 * (1 + 2 * (2 + 2) + 1 + 2) + 2
    assert {cell.ratio for cell in grid if cell.kind in augmentation.USELESS} == {3}


def test_measured_on_test_and_chosen_on_validation_where_there_are_both(sets, tmp_path):
    shapes.write(tmp_path / "real", {"train": 4, "validation": 3, "test": 5}, 5)
    told = Experiment(recipe(sets, tmp_path / "out", real=tmp_path / "real"), lambda line: None)
    assert (told.held_out.split, len(told.held_out.rows), told.selects) == ("test", 10, "validation")
    assert told.leaks["held_out"] == 16, "both are looked for in the generator's training"


# ── leaks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def textured(rng, name, tone):
    """Detail that a near-copy can be told by, 64 pixels."""
    coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3)).astype(np.uint8)).resize((64, 64), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(coarse) * 0.7 + rng.normal(40, 12, (64, 64, 1)), 0, 255).astype(np.uint8)


@pytest.fixture
def clean(tmp_path):
    """A real set and a synthetic one of other pictures, and what the generator learnt from."""
    shapes.write(tmp_path / "real", {"train": 4, "validation": 4}, 0, draw=textured)
    shapes.write(tmp_path / "more", {"train": 4}, 1, draw=textured)
    shapes.write(tmp_path / "seen", {"train": 4}, 2, draw=textured)
    return tmp_path


def begun(root, **synthetic):
    return Experiment(recipe(root, root / "out", synthetic={"more": {"path": root / "more", **synthetic}}, fit={"updates": 1}), lambda line: None)


def test_a_clean_generator_is_let_through_and_what_was_compared_is_told(clean):
    told = begun(clean, generator_data=[clean / "seen", clean / "real"])
    assert [each["pictures"] for each in told.leaks["compared"]] == [8, 8, 8], "only the training split of the real set was learnt from"


def test_a_held_out_file_among_what_the_generator_learnt_from_is_refused(clean):
    plain = clean / "plain"  # without metadata: all of it was learnt from
    plain.mkdir()
    shutil.copy(clean / "real" / "images" / "validation_003.png", plain / "renamed.png")
    with pytest.raises(leaks.Leak, match=r"1 of 8 held-out pictures .*validation_003.png is a near-copy of .*renamed.png"):
        begun(clean, generator_data=[clean / "seen", plain])
    assert not (clean / "out" / "cells").exists()


@pytest.mark.parametrize("how", ["mirrored", "smaller and recompressed"])
def test_a_near_copy_is_refused(clean, how):
    with Image.open(clean / "real" / "images" / "validation_002.png") as picture:
        if how == "mirrored":
            picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(clean / "seen" / "images" / "train_005.png")
        else:
            picture.resize((56, 56)).convert("RGB").save(clean / "seen" / "images" / "train_005.png", "JPEG", quality=70)
    with pytest.raises(leaks.Leak, match=r"train_005\.png"):
        begun(clean, generator_data=[clean / "seen"])


def test_a_synthetic_near_copy_of_a_held_out_picture_is_refused(clean):
    shutil.copy(clean / "real" / "images" / "validation_001.png", clean / "more" / "images" / "train_002.png")
    with pytest.raises(leaks.Leak, match="the synthetic set"):
        begun(clean, generator_data=[])


def test_another_picture_of_a_held_out_patient_is_refused(clean):
    path = clean / "seen" / "metadata.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[4]["group"] = "0-validation-6"  # the same source and patient as a held-out picture
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(leaks.Leak, match="another picture of its patient or lesion"):
        begun(clean, generator_data=[clean / "seen"])


def test_what_the_generator_learnt_from_is_read_from_its_run(clean):
    run_, base = clean / "lora", clean / "base"
    for folder, told in ((run_, {"data": [{"path": str(clean / "seen")}], "base": str(base)}), (base, {"data": [{"path": str(clean / "real")}]})):
        folder.mkdir()
        (folder / "recipe.json").write_text(json.dumps(told))
    assert leaks.learnt_from(str(run_)) == {str(clean / "seen"): clean / "seen", str(clean / "real"): clean / "real"}
    found = begun(clean, generator=str(run_))
    assert found.origins["more"][1].folders == (clean / "seen", clean / "real")
    shutil.copy(clean / "real" / "images" / "validation_003.png", clean / "seen" / "images" / "train_001.png")
    with pytest.raises(leaks.Leak, match=r"validation_003\.png"):
        begun(clean, generator=str(run_))


def test_a_generator_of_which_nothing_is_known_is_refused_until_somebody_says_it(clean):
    with pytest.raises(TrainingError, match="name its folders as generator_data"):
        begun(clean)
    for path in (clean / "more" / "images").glob("*.png"):
        path.with_suffix(".json").write_text(json.dumps({"model": {"name": "embedded"}}))
    with pytest.raises(TrainingError, match="not at hand here"):
        begun(clean)
    told = begun(clean, generator_data=[clean / "seen"])
    assert "runs/isic2017" in told.origins["more"][1].not_compared
    with pytest.raises(TrainingError, match="which is not there"):
        begun(clean, generator_data=[clean / "nowhere"])


# ── configs and commands ────────────────────────────────────────────────────────────────────────────────────────


def test_the_projects_experiments_are_valid():
    for path in sorted(RECIPES.glob("augmentation*.yaml")):
        told = read_recipe(path, AugmentationRecipe)
        for architecture in told.classifiers.values():
            classifier.build(architecture, told.classes, told.image_size)
    full = read_recipe(RECIPES / "augmentation.yaml", AugmentationRecipe)
    assert len(full.seeds) >= 5 and full.shares == (0.01, 0.05, 0.1, 0.25, 1)
    assert {each.family for each in full.classifiers.values()} == {"vit", "resnet"}


@pytest.mark.parametrize(
    "wrong", [{"shares": [0]}, {"ratios": [0]}, {"seeds": [1, 1]}, {"classifiers": {"x": {}}}, {"expected": "none"}, {"share": [1]}]
)
def test_a_config_that_makes_no_sense_is_refused(sets, tmp_path, wrong):
    with pytest.raises(ValidationError):
        recipe(sets, tmp_path, **wrong)


def test_sets_that_cannot_be_used_are_said(sets, tmp_path):
    with pytest.raises(TrainingError, match="no picture of melanoma"):
        Experiment(recipe(sets, tmp_path / "a", classes=["acne", "melanoma"]), lambda line: None)
    with pytest.raises(TrainingError, match="No image in"):
        Experiment(recipe(sets, tmp_path / "b", real=tmp_path / "nothing"), lambda line: None)
    with pytest.raises(TrainingError, match="split test"):
        Experiment(recipe(sets, tmp_path / "c", held_out="test"), lambda line: None)


def test_the_commands_from_config_to_predictions(sets, tmp_path):
    told = json.loads(recipe(sets, tmp_path / "other", fit={"updates": 2, "batch": 4}, seeds=[0], resamples=100).model_dump_json())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(told))
    command = ["evaluate", "augmentation", "--config", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "out"), "--synthetic", str(sets / "more")]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code == 1 and "name its folders as generator_data" in refused.output
    result = CliRunner().invoke(app, [*command, "--generator-data", str(sets / "real")])
    assert result.exit_code == 0, result.output
    assert "Report: " in result.output and Path(tmp_path / "out" / "report.md").exists()
    images, out = sets / "real" / "images", tmp_path / "predictions.csv"
    result = CliRunner().invoke(app, ["evaluate", "predict", "--checkpoint", str(tmp_path / "out" / "best" / "hybrid"), "--images", str(images), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert next(iter(csv.DictReader(out.open()))).keys() == {"image_id", "acne", "tinea"}
    assert CliRunner().invoke(app, [*command, "--part", "5/4"]).exit_code == 2
