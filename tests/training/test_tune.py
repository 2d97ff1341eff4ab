import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
import yaml
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file
from typer.testing import CliRunner

from assistant.schema import ImageRequest
from assistant.settings import settings
from generation import Generator, find
from tests.models import write_pipeline
from training import clip, tune, tune_clip
from training.base import Noise, read_base, snr_weights
from training.cli import RECIPES, app, read_recipe
from training.run import TrainingError
from training.tune import TuneRecipe
from training.tune_clip import TuneClipRecipe

REQUEST = ImageRequest(count=1, seed=4, rash="acne", area="face", tone="fair")
LORA = "lora/pytorch_lora_weights.safetensors"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_pipeline(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPT2SKIN_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield tmp_path / "home"
    settings.cache_clear()


def recipe(base, labelled, run, **values):
    schedule = {"max_steps": 4, "batch": 4, "lr": 0.01, "ema": 0.5, "warmup_steps": 1, "validate_steps": 100} | values.pop("schedule", {})
    common = {"kind": "tune", "run": run, "base": str(base), "data": [{"path": labelled}], "device": "cpu", "steps": 2, "precision": "float32"}
    return TuneRecipe(**{**common, "lora": {"rank": 4}, "schedule": schedule, **values})


def weights(run, name=LORA):
    return load_file(run / "final" / name)


def same(one, other, **tolerance):
    assert one.keys() == other.keys()
    return all(torch.allclose(one[name], other[name], **tolerance) if tolerance else torch.equal(one[name], other[name]) for name in one)


def test_a_lora_draws_otherwise_and_other_tools_load_it(base, labelled, tmp_path, home):
    run = tune.train(recipe(base, labelled, tmp_path / "run", schedule={"max_steps": 12}))
    before = next(Generator.load(base).draw(REQUEST))
    after = next(Generator.load(tmp_path / "run").draw(REQUEST))
    assert before.image.tobytes() != after.image.tobytes()
    assert after.sidecar["model"]["lora_sha256"]
    assert (home / "models" / "run").resolve() == (tmp_path / "run" / "final").resolve()
    assert find("run").base.folder.resolve() == base.resolve()
    pipe = StableDiffusionPipeline.from_pretrained(base, safety_checker=None)
    pipe.load_lora_weights(tmp_path / "run" / "final" / "lora")
    with run.averaged():
        own = {name.replace(".default", ""): value.clone() for name, value in run.model.state_dict().items()}
    loaded = {f"unet.{name}".replace(".default_0", ""): value for name, value in pipe.unet.named_parameters() if "lora" in name}
    assert len(loaded) == len(own) and all(torch.allclose(own[name], value) for name, value in loaded.items())
    card = (tmp_path / "run" / "final" / "README.md").read_text()
    assert "sha256" in card and "lr: 0.01" in card and (tmp_path / "run" / "final" / "sheet.png").exists()


def test_it_learns(base, labelled, tmp_path):
    tune.train(recipe(base, labelled, tmp_path / "run", trains="unet", schedule={"max_steps": 60, "validate_steps": 20, "lr": 0.003}))
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    held_out = [row["loss_held_out"] for row in rows if "loss_held_out" in row]
    assert len(held_out) == 3 and held_out[-1] < 0.9 * held_out[0]
    assert all(row["images_per_second"] > 0 for row in rows if "loss" in row)
    assert list((tmp_path / "run" / "tensorboard").iterdir()) and (tmp_path / "run" / "loss.png").exists()


def test_parts_of_a_step_add_up(base, labelled, tmp_path):
    tune.train(recipe(base, labelled, tmp_path / "whole", caption_dropout=0.5))
    tune.train(recipe(base, labelled, tmp_path / "parts", caption_dropout=0.5, schedule={"batch": 2, "accumulate": 2}))
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"), atol=2e-3)


def command(recipe, path, *launcher):
    path.write_text(json.dumps(json.loads(recipe.model_dump_json(exclude_none=True))))
    return [*launcher, os.path.join(os.path.dirname(sys.executable), "script2skin"), "train", "lora", str(path)]


@pytest.mark.parametrize(
    "launcher",
    [
        pytest.param(["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"], marks=pytest.mark.slow),
        ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"],
    ],
    ids=["torchrun", "accelerate"],
)  # fmt: skip
def test_two_processes_learn_what_one_does(base, labelled, tmp_path, home, launcher):
    prior = {"images": 4, "captions": "others", "target": "base", "share": 0.5}
    tune.train(recipe(base, labelled, tmp_path / "one", prior=prior))
    two = recipe(base, labelled, tmp_path / "two", prior=prior, schedule={"batch": 2})
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SCRIPT2SKIN_HOME": str(home)}
    subprocess.run(command(two, tmp_path / "two.yaml", sys.executable, *launcher), check=True, timeout=200, env=environment)
    assert json.loads((tmp_path / "two" / "starts.jsonl").read_text())["processes"] == 2
    assert same(weights(tmp_path / "one"), weights(tmp_path / "two"), atol=2e-3)


def test_killed_at_any_moment_it_ends_where_one_that_was_not_does(base, labelled, tmp_path, home):
    schedule = {"max_steps": 60, "validate_steps": 5}
    tune.train(recipe(base, labelled, tmp_path / "whole", schedule=schedule))
    killed = recipe(base, labelled, tmp_path / "killed", schedule=schedule)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SCRIPT2SKIN_HOME": str(home)}
    starts = 0
    for checkpoints in (1, 3):
        process = subprocess.Popen(command(killed, tmp_path / "killed.yaml", sys.executable), env=environment)
        until = time.monotonic() + 120
        while len(list((tmp_path / "killed").glob("checkpoints/0*"))) < min(2, checkpoints) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.05 * checkpoints)
        process.send_signal(signal.SIGKILL)
        starts += process.wait() == -signal.SIGKILL
    assert starts, "it was too quick to be killed"
    tune.train(killed)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "killed"))
    steps = [json.loads(line)["step"] for line in (tmp_path / "killed" / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps), "what came after the checkpoint is told once"


def test_cross_attention_alone_learns(base, labelled, tmp_path):
    tune.train(recipe(base, labelled, tmp_path / "run", trains="cross-attention"))
    before = load_file(base / "unet" / "diffusion_pytorch_model.safetensors")
    after = weights(tmp_path / "run", "unet/diffusion_pytorch_model.safetensors")
    moved = {name for name in before if not torch.allclose(before[name], after[name].float(), atol=2e-3)}
    assert moved and all(".attn2.to_" in name for name in moved)
    assert find(tmp_path / "run").base is None
    assert next(Generator.load(tmp_path / "run").draw(REQUEST)).image


def test_dreambooth_tells_its_own_from_the_class(base, labelled, tmp_path):
    prior = {"images": 3, "captions": "class", "weight": 0.5}
    tune.train(recipe(base, labelled, tmp_path / "run", prior=prior, identifier="sks", text_lora=True))
    drawn = json.loads((tmp_path / "run" / "prior" / "captions.json").read_text())
    assert len(drawn) == 3 and not any("sks" in caption for caption in drawn)
    shown = json.loads(next((tmp_path / "run" / "validation").glob("*.json")).read_text())
    assert all(caption.startswith("sks acne") or caption.startswith("sks vitiligo") for caption in shown)
    assert any(name.startswith("text_encoder") for name in weights(tmp_path / "run"))
    generator = Generator.load(tmp_path / "run")
    assert generator.card.identifiers == {"acne": "sks", "vitiligo": "sks"}
    told, plain = [], generator._pipeline.encode_prompt

    def heard(captions, *rest, **others):
        told.extend(captions or ())
        return plain(captions, *rest, **others)

    generator._pipeline.encode_prompt = heard
    drawn = next(generator.draw(REQUEST))
    assert told[0] == f"sks {REQUEST.caption}" and drawn.sidecar["identifier"] == "sks"
    next(generator.draw(REQUEST.model_copy(update={"rash": "eczema"})))
    assert told[-1].startswith("eczema")
    with pytest.raises(TrainingError, match="needs an identifier"):
        tune.train(recipe(base, labelled, tmp_path / "other", prior=prior))


def test_a_prior_that_holds_the_base_in_place_keeps_it_there(base, labelled, tmp_path):
    """How far it strayed from what the base says of its own pictures, when that counts and when it hardly does."""

    def strayed(run, weight):
        prior = {"images": 4, "captions": "others", "target": "base", "weight": weight}
        tune.train(recipe(base, labelled, run, schedule={"max_steps": 40}, prior=prior))
        return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()][-2]["loss_prior"]

    assert strayed(tmp_path / "held", 10) < 0.6 * strayed(tmp_path / "free", 1e-6)


def test_weights_of_timesteps():
    alphas = torch.tensor([0.99, 0.5, 0.0])
    assert snr_weights(alphas, "v_prediction", None).tolist() == [1, 1, 1]
    epsilon, velocity = (snr_weights(alphas[:2], kind, 5.0) for kind in ("epsilon", "v_prediction"))
    assert epsilon.tolist() == pytest.approx([5 / 99, 1], rel=1e-4) and velocity.tolist() == pytest.approx([5 / 100, 0.5], rel=1e-4)
    terminal = snr_weights(alphas, "v_prediction", 5.0)
    assert terminal.tolist() == pytest.approx([5 / 100, 1, 1], rel=1e-4), "the step that sampling starts from counts"


@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction"])
def test_a_perfect_answer_gives_the_picture_back(base, predicts):
    read = read_base(str(base))
    read.pipeline.scheduler.register_to_config(prediction_type=predicts)
    noise = Noise(read, torch.device("cpu"))
    clean, random, times = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8), torch.tensor([10, 600])
    noisy, target = noise.over(clean, random, times)
    alpha = noise.alphas[times].view(-1, 1, 1, 1)
    signal_, spread = alpha.sqrt(), (1 - alpha).sqrt()
    back = (noisy - spread * target) / signal_ if predicts == "epsilon" else signal_ * noisy - spread * target
    assert torch.allclose(back, clean, atol=1e-3)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_projects_recipes_are_valid(path):
    kinds = {"tune": TuneRecipe, "clip-tune": TuneClipRecipe}
    if (kind := yaml.safe_load(path.read_text())["kind"]) in kinds:
        assert read_recipe(path, kinds[kind], minutes=3).schedule.minutes == 3


def metadata(folder, rows):
    folder.mkdir()
    (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_what_cannot_be_learnt_from_is_said_before_anything_is_trained(base, labelled, tmp_path):
    def refused(data, **values):
        with pytest.raises(TrainingError) as error:
            tune.train(recipe(values.pop("base", base), data, tmp_path / "run", **values))
        assert not (tmp_path / "run" / "checkpoints").exists()
        return str(error.value)

    assert "has a caption" in refused(metadata(tmp_path / "a", [{"file_name": "x.png"}]))
    assert "are not there, such as" in refused(metadata(tmp_path / "b", [{"file_name": "x.png", "text": "acne"}]))
    rows = [json.loads(line) for line in (labelled / "metadata.jsonl").read_text().splitlines()]
    for row in rows:
        row["file_name"] = str(labelled / row["file_name"])
        row["mask_file_name"] = None
    long = metadata(tmp_path / "c", [{**row, "text": row["text"] + " and so on" * 40} for row in rows])
    assert "longer than the 77 tokens" in refused(long)
    held_out = metadata(tmp_path / "d", [{**row, "split": "test"} for row in rows])
    assert "0 captioned images to learn from" in refused(held_out)


def test_a_run_goes_on_with_its_own_data_only(base, labelled, tmp_path):
    tune.train(recipe(base, labelled, tmp_path / "run"))
    rows = (labelled / "metadata.jsonl").read_text().replace('"file_name": "', f'"file_name": "{labelled}/').replace('_mask": "', '')
    other = tmp_path / "other"
    other.mkdir()
    (other / "metadata.jsonl").write_text("\n".join(rows.splitlines()[:9] + rows.splitlines()[-3:]).replace('"mask_file_name"', '"m"'))
    with pytest.raises(TrainingError, match="begun with another data"):
        tune.train(recipe(base, other, tmp_path / "run"))


def test_a_rate_that_blows_up_ends_in_a_sentence(base, labelled, tmp_path):
    with pytest.raises(FloatingPointError, match="lower the rates"):
        tune.train(recipe(base, labelled, tmp_path / "run", trains="unet", schedule={"lr": 1e30, "max_steps": 8, "clip": 1e30}))


def test_the_embedded_student_learns_at_scale_one_and_still_draws(labelled, tmp_path):
    """Its U-Net is told the guidance scale, its prior at every scale."""
    few = {"batch": 2, "max_steps": 2, "lr": 1e-4}
    tune.train(recipe("embedded", labelled, tmp_path / "run", schedule=few, prior={"images": 2, "captions": "others", "target": "base"}))
    model = find(tmp_path / "run")
    assert model.card.steps == find("embedded").card.steps and {"acne", "vitiligo"} <= model.card.trained.rash
    assert model.made_of.startswith("embedded with a LoRA")
    assert next(Generator.load(tmp_path / "run").draw(REQUEST)).image.size == (256, 256)


def test_a_whole_unet_without_a_prior_forgets_and_says_so(labelled, tmp_path):
    few = {"batch": 2, "max_steps": 1, "lr": 1e-4}
    tune.train(recipe("embedded", labelled, tmp_path / "run", schedule=few, trains="unet", guidance_scale=1))
    card, was = find(tmp_path / "run").card, find("embedded").card
    assert card.trained.rash == {"acne", "vitiligo"} and "psoriasis" in was.trained.rash
    assert (card.steps, card.guidance_scale, card.shared_steps, card.redrawn_steps, card.guidance_by_rash) == (2, 1, 0, 0, {})
    assert card.exposure == was.exposure and card.guidance_most == was.guidance_most


def test_a_condition_beyond_the_vocabulary_can_be_asked_for(base, labelled, tmp_path, home, capsys):
    rows = [json.loads(line) for line in (labelled / "metadata.jsonl").read_text().splitlines()]
    for name, rash in (("own", "purpura"), ("mixed", "acne and rosacea")):
        named = [{**row, "rash": rash, "text": row["text"].replace(row["rash"], rash), "mask_file_name": None} for row in rows]
        for row in named:
            row["file_name"] = str(labelled / row["file_name"])
        metadata(tmp_path / name, named)
    card = json.loads((base / "script2skin.json").read_text()) if (base / "script2skin.json").exists() else {}
    whole = tmp_path / "base"
    shutil.copytree(base, whole)
    known = {"rash": ["acne"], "area": ["face"], "tone": ["fair"]}
    (whole / "script2skin.json").write_text(json.dumps({**card, "steps": 2, "trained": known}))
    tune.train(recipe(whole, tmp_path / "own", tmp_path / "run"))
    assert "can be asked for in the chat from now on" in capsys.readouterr().out
    assert yaml.safe_load((home / "conditions.yaml").read_text()) == [{"name": "purpura", "typical_area": "face", "kind": "rash"}]
    trained = find(tmp_path / "run").card.trained
    assert trained.rash == {"acne", "purpura"} and trained.tone == {"fair", "black"}
    tune.train(recipe(whole, tmp_path / "mixed", tmp_path / "other"))
    assert "cannot be asked for" in capsys.readouterr().out and find(tmp_path / "other").card.trained.rash == {"acne"}
    code = "from script2skin import main; import sys; sys.argv = ['script2skin', 'generate', 'purpura on the face, fair skin', '--model', sys.argv[1], '--out', sys.argv[2]]; main()"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "run"), str(tmp_path / "out")], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and next((tmp_path / "out").glob("purpura_face_fair_*.png")), done.stderr


def test_a_lora_learnt_with_a_tuned_tower_is_drawn_with_both(base, labelled, tmp_path):
    model, _ = clip.for_text_tower(base, clip.Towers(image_width=64, image_layers=1, image_size=32, patch_size=8))
    whole = tmp_path / "base"
    shutil.copytree(base, whole)
    clip.export_image_encoder(model, whole / clip.IMAGE_ENCODER)
    schedule = {"max_steps": 3, "batch": 8, "lr": 0.003, "ema": 0}
    values = {"kind": "clip-tune", "run": tmp_path / "clip", "base": str(whole), "data": [{"path": labelled}], "device": "cpu"}
    tune_clip.train(TuneClipRecipe(**values, schedule=schedule))
    tune.train(recipe(whole, labelled, tmp_path / "both", text_encoder=str(tmp_path / "clip")))
    both = find("both")
    assert both.text_encoder and both.lora and "a text encoder of its own" in both.made_of
    tower = load_file(tmp_path / "clip" / "final" / "text_encoder" / "model.safetensors")
    assert same(tower, load_file(both.text_encoder / "model.safetensors"))
    assert next(Generator.load("both").draw(REQUEST)).image


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--data", "nowhere"], "No image in nowhere"),
        (["--data", "DATA", "--base", "nowhere"], "no model folder 'nowhere'"),
        (["--data", "DATA", "--text-encoder", "nowhere"], "no text encoder folder 'nowhere'"),
    ],
)
def test_bad_input_is_one_sentence(labelled, tmp_path, arguments, told):
    given = [str(labelled) if word == "DATA" else word for word in arguments]
    for command in ("lora", "dreambooth", "finetune"):
        result = CliRunner().invoke(app, [command, *given, "--out", str(tmp_path / "run"), "--device", "cpu"])
        assert result.exit_code == 1 and told in result.output and "Traceback" not in result.output
        assert not (tmp_path / "run" / "checkpoints").exists()


def test_too_little_memory_says_what_to_lower(base, labelled, tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    monkeypatch.setattr(tune.Learner, "losses", full)
    with pytest.raises(TrainingError, match=r"lower schedule.batch .* or set gradient_checkpointing"):
        tune.train(recipe(base, labelled, tmp_path / "run"))


@pytest.mark.parametrize("launcher", ["torch.distributed.run", "accelerate.commands.launch"])
def test_no_option_is_taken_for_one_of_the_launchers(launcher):
    """Their parsers look at what follows the script too, and take "--run" for the start of an option of their own."""
    module = importlib.import_module(launcher)
    parser = module.get_args_parser() if hasattr(module, "get_args_parser") else module.launch_command_parser()
    for command in ("clip", "lora", "dreambooth", "finetune", "unet", "judge"):
        options = set(re.findall(r"--[a-z-]+", CliRunner().invoke(app, [command, "--help"]).output)) - {"--help"}
        for option in options:
            told = parser.parse_args(["script2skin", "train", command, option, "x"])
            assert told.training_script_args[-2:] == [option, "x"]
