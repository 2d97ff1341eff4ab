import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file
from transformers import CLIPConfig, CLIPModel, CLIPTextModel

from assistant.schema import ImageRequest
from assistant.settings import settings
from generation import CheckpointError, Generator
from tests.models import write_pipeline
from training import clip, finished, tune_clip
from training.dataset import Record
from training.run import TrainingError
from training.tune_clip import Retrieval, TuneClipRecipe, contrast, read_base

REQUEST = ImageRequest(count=1, seed=4, rash="acne", area="face", tone="fair")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A tiny pipeline with an image tower that knows nothing yet."""
    folder = write_pipeline(tmp_path_factory.mktemp("base") / "tiny")
    torch.manual_seed(0)
    model, _ = clip.for_text_tower(folder, clip.Towers(image_width=64, image_layers=1, image_size=32, patch_size=8))
    clip.export_image_encoder(model, folder / clip.IMAGE_ENCODER)
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPT2SKIN_HOME", str(tmp_path / "home"))
    settings.cache_clear()
    yield
    settings.cache_clear()


def recipe(base, labelled, run, **values):
    schedule = {"max_steps": 5, "batch": 8, "lr": 0.003, "ema": 0.5, "validate_steps": 50} | values.pop("schedule", {})
    common = {"kind": "clip-tune", "run": run, "base": str(base), "data": [{"path": labelled}], "device": "cpu", "precision": "float32"}
    return TuneClipRecipe(**{**common, "schedule": schedule, **values})


def tower(run, name="text_encoder"):
    return load_file(run / "final" / name / "model.safetensors")


def difference(one, other):
    return max((one[name].float() - other[name].float()).abs().max().item() for name in one)


def test_what_is_true_of_several_is_their_target():
    image, text = torch.eye(2), torch.eye(2)
    own = torch.tensor([[True, False], [False, True]])
    assert contrast(image, text, torch.tensor(9.0), own) < 0.01
    assert contrast(image, text, torch.tensor(9.0), ~own) > 5
    both = torch.ones(2, 2, dtype=torch.bool)
    assert contrast(torch.ones(2, 2), torch.ones(2, 2), torch.tensor(1.0), both).item() == pytest.approx(np.log(2), abs=1e-6)


def test_with_one_caption_each_it_is_the_loss_of_training_from_scratch():
    torch.manual_seed(0)
    image, text, caption = torch.randn(5, 4), torch.randn(3, 4), torch.tensor([0, 0, 1, 2, 1])
    true = caption[:, None] == torch.arange(3)
    assert contrast(image, text, torch.tensor(2.0), true).item() == pytest.approx(clip.contrastive(2 * image @ text.T, caption).item(), rel=1e-5)


def test_it_learns_and_its_text_tower_draws(base, labelled, tmp_path):
    tune_clip.train(recipe(base, labelled, tmp_path / "run", schedule={"max_steps": 60, "validate_steps": 20}))
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["after"]["recall_mean"] > report["before"]["recall_mean"]
    assert report["after"]["recall_image_to_text_1"] >= 0.5 and report["rash_after"]["acne"]["images"] == 2
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert any("loss" in row and "images_per_second" in row for row in rows) and (tmp_path / "run" / "loss.png").exists()
    assert "before | after" in (tmp_path / "run" / "final" / "README.md").read_text()
    stock, tuned = (next(Generator.load(model).draw(REQUEST)) for model in (base, tmp_path / "run"))
    assert stock.image.tobytes() != tuned.image.tobytes() and tuned.sidecar["model"]["text_encoder_sha256"]
    beside = next(Generator.load(base, text_encoder=tmp_path / "run").draw(REQUEST))
    assert beside.image.tobytes() == tuned.image.tobytes()
    pipe = StableDiffusionPipeline.from_pretrained(
        base, text_encoder=CLIPTextModel.from_pretrained(tmp_path / "run" / "final" / "text_encoder"), safety_checker=None
    )
    assert pipe("acne", num_inference_steps=1, output_type="np").images.shape == (1, 32, 32, 3)
    again = read_base(str(tmp_path / "run"), None)
    assert again.pipeline and Path(again.pipeline).resolve() == base.resolve(), "a run goes on for the same pipeline"
    assert torch.equal(again.model.text_model.state_dict()["final_layer_norm.weight"], tower(tmp_path / "run")["final_layer_norm.weight"])


@pytest.mark.parametrize("lora", [None, {"rank": 2, "dropout": 0.2}], ids=["whole", "lora"])
def test_a_step_in_parts_is_the_same_step(base, labelled, tmp_path, lora):
    """With dropout too: a part goes through the towers twice with the same randomness."""
    parts = {"batch": 2, "accumulate": 4}
    tune_clip.train(recipe(base, labelled, tmp_path / "whole", lora=lora and {**lora, "dropout": 0}))
    tune_clip.train(recipe(base, labelled, tmp_path / "parts", lora=lora and {**lora, "dropout": 0}, schedule=parts))
    moved = difference(load_file(base / "text_encoder" / "model.safetensors"), tower(tmp_path / "whole"))
    assert difference(tower(tmp_path / "whole"), tower(tmp_path / "parts")) < 0.1 * moved
    if lora:
        tune_clip.train(recipe(base, labelled, tmp_path / "dropped", lora=lora, schedule=parts))


def test_gradients_of_the_parts_add_up_to_that_of_the_whole(base, labelled, tmp_path):
    whole = recipe(base, labelled, tmp_path / "run", keep_near=0.5)
    parts = recipe(base, labelled, tmp_path / "run", keep_near=0.5, schedule={"batch": 3, "accumulate": 3})
    read = read_base(str(base), None)
    model = tune_clip.prepared(read.model, whole)
    torch.nn.init.normal_(model.text_model.embeddings.position_embedding.weight)  # strayed from the stock one
    records = [record for record in tune_clip.gather(whole.data)[0] if record.split == "train"]
    learn = tune_clip.CaptionedImages(records, read.tokenizer, read.fed, tmp_path / "cache")
    rows, device = np.arange(8), torch.device("cpu")
    gradients = []
    for given in (whole, parts):
        model.zero_grad()
        losses = list(tune_clip.step_losses(model, learn, rows, 0, given, read.model.text_model, device))
        for told in losses:
            if told.get("descend") is not None:
                told["descend"].backward()
        gradients.append({name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None})
        assert sum(told.get("strayed", 0) for told in losses) > 0.1
    assert len(losses) > 3 and gradients[0].keys() == gradients[1].keys() and "logit_scale" in gradients[0]
    for name, value in gradients[0].items():
        assert torch.allclose(value, gradients[1][name], rtol=1e-3, atol=1e-5), name


def test_kept_near_it_says_what_the_stock_tower_does(base, labelled, tmp_path):
    """So that a U-Net that was trained with the stock tower still understands it."""

    def strayed(run):
        said = []
        for folder in (base / "text_encoder", run / "final" / "text_encoder"):
            tower = CLIPTextModel.from_pretrained(folder).eval()
            said.append(tower(torch.arange(20)[None] % 60).last_hidden_state.detach())
        return ((said[1] - said[0]).square().mean() / said[0].square().mean()).item()

    tune_clip.train(recipe(base, labelled, tmp_path / "free", schedule={"max_steps": 30}))
    tune_clip.train(recipe(base, labelled, tmp_path / "near", schedule={"max_steps": 30}, keep_near=100))
    rows = [json.loads(line) for line in (tmp_path / "near" / "metrics.jsonl").read_text().splitlines()]
    assert 0 < rows[0]["strayed"] < 0.3
    assert strayed(tmp_path / "near") < 0.5 * strayed(tmp_path / "free")


def test_one_tower_alone(base, labelled, tmp_path):
    stock = load_file(base / "text_encoder" / "model.safetensors")
    tune_clip.train(recipe(base, labelled, tmp_path / "image", towers="image"))
    assert difference(stock, tower(tmp_path / "image")) == 0
    tune_clip.train(recipe(base, labelled, tmp_path / "text", towers="text"))
    assert difference(load_file(base / "image_encoder" / "model.safetensors"), tower(tmp_path / "text", "image_encoder")) < 1e-3
    assert difference(stock, tower(tmp_path / "text")) > 1e-4


def test_it_ends_when_retrieval_no_longer_rises_and_keeps_the_best(base, labelled, tmp_path, monkeypatch):
    told = iter([0.1, 0.5, 0.3, 0.4, 0.9])
    monkeypatch.setattr(Retrieval, "figures", lambda self: {"recall_mean": next(told, 0.0)})
    monkeypatch.setattr(tune_clip, "table", lambda report, count: "")
    monkeypatch.setattr(tune_clip, "finish", lambda *_: None)
    run = tune_clip.train(recipe(base, labelled, tmp_path / "run", patience=2, schedule={"max_steps": 50, "validate_steps": 3}))
    assert run.step == 12 and torch.load(tmp_path / "run" / "best.pt", weights_only=True)["step"] == 6


def test_any_clip_is_a_base_and_its_tower_goes_to_its_pipeline(base, labelled, tmp_path):
    """A CLIPModel with tokenizer as on a hub, whose text tower is that of a pipeline."""
    stock = CLIPTextModel.from_pretrained(base / "text_encoder")
    text = {**stock.config.to_dict(), "projection_dim": 16}
    image = {"image_size": 32, "patch_size": 8, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config={**image, "projection_dim": 16}, projection_dim=16))
    model.text_model.load_state_dict(stock.state_dict())
    model.save_pretrained(tmp_path / "clip")
    from transformers import CLIPTokenizer

    CLIPTokenizer.from_pretrained(base / "tokenizer").save_pretrained(tmp_path / "clip")
    tune_clip.train(recipe(tmp_path / "clip", labelled, tmp_path / "run", pipeline=str(base)))
    assert next(Generator.load(tmp_path / "run").draw(REQUEST)).image
    tune_clip.train(recipe(tmp_path / "clip", labelled, tmp_path / "alone"))
    assert not (tmp_path / "alone" / "final" / "script2skin.json").exists()
    assert next(Generator.load(base, text_encoder=tmp_path / "alone").draw(REQUEST)).image


def test_recall_by_hand():
    """Two images of one caption and one of another; the second is found under the wrong one."""
    scores = np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    true = np.array([[True, False], [True, False], [False, True]])
    found = Retrieval(tune_clip._first(scores, true), tune_clip._first(scores.T, true.T), np.zeros((2, 1), int), ["acne", "acne", "mole"])
    assert found.rank.tolist() == [0, 1, 0] and found.first.tolist() == [0, 1]
    assert found.figures()["recall_image_to_text_1"] == pytest.approx(2 / 3) and found.figures()["recall_text_to_image_1"] == 0.5
    assert found.by(["acne", "acne", None]) == {"acne": {"recall_1": 0.5, "images": 2}}
    assert found.figures()["recall_by_condition"] == 0.75, "acne a half, mole all"
    same = np.zeros((2, 2))
    assert tune_clip._first(same, np.eye(2, dtype=bool)).tolist() == [1, 1], "a tower that says nothing finds nothing"


def test_balanced_conditions_weigh_the_same():
    records = [Record(Path(f"{n}.png"), "", values={"rash": rash}) for n, rash in enumerate(["mole", "mole", "mole", "acne", None])]
    weights = tune_clip.balanced(np.array([1.0, 1.0, 2.0, 1.0, 1.0]), records)
    assert weights[:3].sum() == pytest.approx(weights[3]) == pytest.approx(weights[4]) and weights[2] == 2 * weights[0]
    assert weights.sum() == pytest.approx(6)


def test_several_captions_of_an_image_are_all_true_of_it(base, labelled, tmp_path):
    record = Record(next(labelled.glob("*.png")), "acne type of rash on a fair skin", more=("spots on a pale face", ""))
    assert record.captions == ("acne type of rash on a fair skin", "spots on a pale face")
    read = read_base(str(base), None)
    learn = tune_clip.CaptionedImages([record, Record(record.path, "spots on a pale face")], read.tokenizer, read.fed, tmp_path)
    seen = {tuple(learn.texts[i] for i in learn.said(np.array([0]), np.random.default_rng(seed))[0]) for seed in range(20)}
    assert seen == {(text,) for text in record.captions}
    distinct, true = learn.said(np.array([0, 1]), np.random.default_rng(0))
    assert true[0].all() and true[1].tolist() == [learn.texts[i] == "spots on a pale face" for i in distinct]


def test_what_no_contrast_can_be_learnt_from(base, labelled, tmp_path):
    rows = [json.loads(line) for line in (labelled / "metadata.jsonl").read_text().splitlines()]

    def refused(rows):
        folder = tmp_path / f"set{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        rows = [{**row, "file_name": str(labelled / row["file_name"]), "mask_file_name": None} for row in rows]
        (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        with pytest.raises(TrainingError) as error:
            tune_clip.train(recipe(base, folder, folder / "run"))
        assert not (folder / "run" / "checkpoints").exists()
        return str(error.value)

    assert "have the same caption" in refused([{**row, "text": "acne"} for row in rows])
    assert "1 captioned images to learn from" in refused(rows[:1] + rows[-2:])
    assert "0 captioned images are held out" in refused([{**row, "split": "train"} for row in rows[:8]])


def test_a_base_without_towers_is_refused(base, tmp_path):
    bare = write_pipeline(tmp_path / "bare")
    with pytest.raises(TrainingError, match="no image tower"):
        read_base(str(bare), None)
    with pytest.raises(TrainingError, match="a CLIPModel with both towers"):
        read_base(str(base / "text_encoder"), None)
    with pytest.raises(CheckpointError, match="nowhere"):
        finished.clip_folder("nowhere")


def test_a_clip_on_a_hub_is_read_from_the_cache(base, labelled, tmp_path, monkeypatch):
    """Weights as safetensors, or pickled as OpenAI's smaller ones are, which are read without running what is in them."""
    from huggingface_hub import constants

    from tests.generation.test_derived import REVISION, to_hub

    model, tokenizer = clip.for_text_tower(base, clip.Towers(image_width=64, image_layers=1, image_size=32, patch_size=8))
    for name in ("safe", "pickled"):
        model.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    weights = load_file(tmp_path / "pickled" / "model.safetensors")
    (tmp_path / "pickled" / "model.safetensors").unlink()
    torch.save(weights, tmp_path / "pickled" / "pytorch_model.bin")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("safe", "pickled"):
        to_hub(tmp_path / name, tmp_path / "hub", f"lab/{name}")
        read = read_base(f"lab/{name}@{REVISION}", None)
        assert torch.equal(read.model.text_model.state_dict()["final_layer_norm.weight"], weights["text_model.final_layer_norm.weight"])
    with pytest.raises(CheckpointError, match="not on this machine and downloads are off"):
        finished.clip_folder(f"lab/absent@{REVISION}")
