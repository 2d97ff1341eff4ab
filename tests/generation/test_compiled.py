"""Models run by OpenVINO: they draw what torch draws, are converted once, and where they cannot be, torch draws."""

import locale
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from assistant.schema import ImageRequest
from generation import Generator, compiled, loading
from generation.layout import read_layout
from tests.models import Shape, write_pipeline

pytestmark = pytest.mark.skipif(compiled.runtime() is None, reason="OpenVINO is not installed")

REQUEST = ImageRequest(count=3, rash="eczema", area="elbow", tone="brown", seed=4)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One for all tests here, so that the tiny model is converted once."""
    return tmp_path_factory.mktemp("compiled-home")


@pytest.fixture(autouse=True)
def compiles(home, monkeypatch):
    from assistant.settings import settings

    monkeypatch.setenv("SCRIPT2SKIN_HOME", str(home))
    monkeypatch.setenv("SCRIPT2SKIN_RUNTIME", "auto")
    settings.cache_clear()


def pixels(generator, **how):
    return [np.asarray(image.image, dtype=float) for image in generator.draw(REQUEST, steps=3, **how)]


@pytest.mark.parametrize("model", ["tiny", "embedded"])
def test_it_draws_what_torch_draws(model, tiny_model):
    folder = tiny_model if model == "tiny" else "embedded"
    ours, torchs = (Generator.load(folder, "cpu", dtype="float32", runtime=runtime) for runtime in ("auto", "torch"))
    assert ours.runtime.startswith("openvino 20") and torchs.runtime == "torch"
    for one, other in zip(pixels(ours), pixels(torchs), strict=True):
        assert np.abs(one - other).mean() < 0.2 and np.abs(one - other).max() <= 32, "sums in another order"
    image = next(ours.draw(REQUEST, steps=1))
    assert image.sidecar["sampling"]["runtime"] == ours.runtime


def test_it_looks_at_pictures_as_torch_does():
    ours, torchs = (next(Generator.load("embedded", "cpu", dtype="float32", runtime=name).draw(REQUEST)).sidecar for name in ("auto", "torch"))
    assert ours["seen_rash"]["rash"] == torchs["seen_rash"]["rash"] == REQUEST.rash
    assert abs(ours["seen_rash"]["chance"] - torchs["seen_rash"]["chance"]) < 0.05
    assert abs(ours["measured_tone"]["ita"] - torchs["measured_tone"]["ita"]) < 1


def test_it_encodes_as_torch_does(tiny_model):
    pictures = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    here, there = (Generator.load(tiny_model, "cpu", runtime=name, dtype="float32")._pipeline.vae for name in ("openvino", "torch"))
    with torch.inference_mode():
        assert torch.allclose(*(vae.encode(pictures).latent_dist.mode() for vae in (here, there)), atol=1e-5)


def test_an_image_has_the_same_bits_alone_and_with_others(tiny_model):
    generator = Generator.load(tiny_model, "cpu")
    for size in (1, 2):
        every = pixels(generator, batch_size=size)
        alone = [pixels(generator, batch_size=size, indices=[index])[0] for index in range(3)]
        assert all(np.array_equal(a, b) for a, b in zip(every, alone, strict=True))


def test_it_is_converted_once_and_its_torch_weights_are_not_loaded_again(tiny_model, home, monkeypatch):
    Generator.load(tiny_model, "cpu")
    kept = {path: path.stat().st_mtime_ns for path in (home / "compiled").rglob("*.bin")}
    for name in ("load_parts", "load_text_encoder"):
        monkeypatch.setattr(loading, name, lambda _: pytest.fail("loaded"))
    Generator.load(tiny_model, "cpu")
    assert kept and kept == {path: path.stat().st_mtime_ns for path in (home / "compiled").rglob("*.bin")}


def test_other_weights_are_another_model(tiny_model, home, tmp_path):
    other = write_pipeline(tmp_path / "other", seed=3)
    one, two = (compiled.Kept(read_layout(folder), home, 32, torch.float32).folder for folder in (tiny_model, other))
    assert one != two


def test_guidance_of_the_usual_kind_and_a_lora_are_drawn_too(tiny_model, tmp_path):
    from tests.generation.test_lora import save_adapter

    adapter = save_adapter(tiny_model, tmp_path / "adapter", lora_alpha=8)
    ours, torchs = (Generator.load(tiny_model, "cpu", dtype="float32", lora=adapter, runtime=runtime) for runtime in ("auto", "torch"))
    plain = Generator.load(tiny_model, "cpu", dtype="float32")
    for one, other, without in zip(*(pixels(g, guidance_scale=4) for g in (ours, torchs, plain)), strict=True):
        assert np.abs(one - other).max() <= 1
        assert np.abs(one - without).max() > 1, "the adapter counts"


def test_large_models_are_left_to_torch_unless_asked_for(tiny_model, monkeypatch):
    monkeypatch.setattr(compiled, "SMALL", 1000)
    layout = read_layout(tiny_model)
    assert not compiled.wanted("auto", layout) and compiled.wanted("openvino", layout)


def test_what_cannot_be_converted_is_drawn_by_torch(tmp_path, caplog, monkeypatch):
    folder = write_pipeline(tmp_path / "odd", Shape(text_width=64))
    monkeypatch.setattr(sys, "executable", "false")  # a process that ends with an error and without a word
    generator = Generator.load(folder, "cpu")
    assert generator.runtime == "torch" and "Drawn by torch" in caplog.text
    assert next(generator.draw(REQUEST, steps=1)).error is None
    caplog.clear()
    monkeypatch.setattr(compiled.subprocess, "run", lambda *_args, **_more: pytest.fail("tried again at the next start"))
    assert Generator.load(folder, "cpu").runtime == "torch" and not caplog.text
    monkeypatch.setattr(compiled, "NOT_AGAIN", 0)
    with pytest.raises(pytest.fail.Exception):
        Generator.load(folder, "cpu")


def test_only_the_last_few_are_kept(tiny_model, tmp_path, monkeypatch):
    kept = compiled.Kept(read_layout(tiny_model), tmp_path, 32, torch.float32)
    for number in range(4):
        folder = tmp_path / "compiled" / f"old{number}"
        folder.mkdir(parents=True)
        os.utime(folder, (number, number))
    monkeypatch.setattr(compiled, "MOST_KEPT", 3)
    kept._let_go()
    left = {path.name for path in (tmp_path / "compiled").iterdir()}
    assert left == {"old2", "old3"}, "and the model itself, once it is there"


def test_files_are_read_as_before(tiny_model):
    """Parts of OpenVINO set the locale of the whole process, after which Python would take files for ASCII."""
    before = locale.setlocale(locale.LC_ALL)
    list(Generator.load(tiny_model, "cpu").draw(REQUEST, steps=1))
    assert locale.setlocale(locale.LC_ALL) == before


def test_nobody_is_told_that_it_is_used(tmp_path):
    """Its makers' telemetry is on by default, and speaks at every import."""
    code = "import sys; from generation import compiled; assert compiled.runtime(); print('openvino_telemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
