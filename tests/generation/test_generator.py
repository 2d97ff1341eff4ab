"""Drawing with real, tiny pipelines: same seed same bits, progress, stop, threads, failures."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from assistant.schema import ImageRequest
from generation import (
    CaptionError,
    CheckpointError,
    GeneratedImage,
    Generator,
    SamplingError,
    edit,
    provenance,
    read_request,
)
from generation.catalog import Card, write_card
from generation.generator import NEXT_TRY
from generation.loading import pick_device
from tests.models import Shape, write_pipeline

REQUEST = ImageRequest(count=3, rash="eczema", area="back of the neck", tone="fair", severity="severe", seed=41)


def pixels(image: GeneratedImage) -> np.ndarray:
    assert image.error is None
    return np.asarray(image.image)


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def generator(request: pytest.FixtureRequest, tiny_model: Path) -> Generator:
    return Generator.load(tiny_model, "cpu", dtype=request.param)


# ── the same bits ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_any_image_alone_has_the_bits_it_has_with_the_others(generator: Generator, batch_size: int) -> None:
    together = list(generator.draw(REQUEST, steps=4, batch_size=batch_size))
    assert [image.seed for image in together] == [41, 42, 43]
    for image in together:
        (alone,) = generator.draw(REQUEST, steps=4, batch_size=batch_size, indices=[image.index])
        assert np.array_equal(pixels(alone), pixels(image))
        assert alone.png == image.png


def test_an_image_is_drawn_again_from_its_seed_alone(generator: Generator) -> None:
    third = list(generator.draw(REQUEST, steps=4))[2]
    alone = ImageRequest(**{**REQUEST.model_dump(), "count": 1, "seed": third.seed})
    (again,) = generator.draw(alone, steps=4)
    assert np.array_equal(pixels(again), pixels(third))


def test_a_freshly_loaded_model_draws_the_same(generator: Generator, tiny_model: Path) -> None:
    dtype = next(generator.draw(REQUEST, steps=1)).sidecar["sampling"]["dtype"]
    fresh = Generator.load(tiny_model, "cpu", dtype=dtype)
    one, two = (next(g.draw(REQUEST, steps=4)) for g in (generator, fresh))
    assert one.png == two.png


def test_seed_and_words_both_matter(generator: Generator) -> None:
    one, two = list(generator.draw(REQUEST, steps=4, indices=[0, 1]))
    assert not np.array_equal(pixels(one), pixels(two))
    (other_words,) = generator.draw(REQUEST.model_copy(update={"rash": "acne"}), steps=4, indices=[0])
    assert not np.array_equal(pixels(one), pixels(other_words))


def test_bfloat16_starts_from_the_same_noise_as_float32(tiny_model: Path) -> None:
    """Noise drawn in bfloat16 would be other noise, and the same seed another picture."""
    full, half = (next(Generator.load(tiny_model, "cpu", dtype=d).draw(REQUEST, steps=4)) for d in ("float32", "bfloat16"))
    assert np.corrcoef(pixels(full).ravel(), pixels(half).ravel())[0, 1] > 0.95


# ── what reaches the model ──────────────────────────────────────────────────────────────────────────────────────


def test_only_the_caption_reaches_the_text_encoder(generator: Generator) -> None:
    seen = []
    encoder, tokenizer = generator._pipeline.text_encoder, generator._pipeline.tokenizer
    hook = encoder.register_forward_pre_hook(lambda _module, args, kwargs: seen.append((*args, *kwargs.values())[0]), with_kwargs=True)
    request = REQUEST.model_copy(update={"area": "knee"})  # no other test asks for it
    try:
        next(generator.draw(request, steps=1))
        times = len(seen)
        next(generator.draw(request, steps=1, indices=[1]))
    finally:
        hook.remove()
    texts = {tokenizer.decode(ids[0], skip_special_tokens=True).replace(" ", "") for ids in seen}
    assert texts == {request.caption.replace(" ", ""), ""}
    assert len(seen) == times, "the second image has the same caption: it is not encoded again"


def test_words_outside_the_vocabulary_are_not_drawn(generator: Generator) -> None:
    with pytest.raises(CaptionError, match="measles"):
        next(generator.draw(REQUEST.model_copy(update={"rash": "measles"})))
    with pytest.raises(CaptionError):
        next(generator.draw(REQUEST.model_copy(update={"severity": "<script>"})))


def test_a_caption_longer_than_the_encoder_reads_is_refused_not_cut(tmp_path: Path) -> None:
    short = Generator.load(write_pipeline(tmp_path / "short", Shape(tokens=16)), "cpu")
    with pytest.raises(CaptionError, match="tokens long, but this model's text encoder reads 16"):
        next(short.draw(REQUEST, steps=1))


# ── the tone that was asked for ─────────────────────────────────────────────────────────────────────────────────


def in_colour(generator: Generator, monkeypatch: pytest.MonkeyPatch, colours: dict[int, tuple[int, int, int]]) -> list[int]:
    """Let the model draw flat skin: the colour of the seed's try. Returns the seeds as they are drawn."""
    import torch

    from generation import sampling

    drawn: list[int] = []

    def draw_batch(_pipeline, _caption, seeds, *_rest):
        pictures = []
        for seed in seeds:
            if seed is not None:
                drawn.append(seed)
            noise = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(seed or 0)) * 0.03
            flat = torch.tensor(colours.get(seed, (60, 40, 32)))[:, None, None] / 127.5 - 1
            pictures.append(None if seed is None else flat + noise)
        return pictures

    monkeypatch.setattr(sampling, "draw_batch", draw_batch)
    return drawn


FAIR, OLIVE = (222, 180, 150), (200, 150, 110)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_an_image_of_another_tone_is_drawn_again_from_the_next_seed(generator, monkeypatch, batch_size) -> None:
    drawn = in_colour(generator, monkeypatch, {41: FAIR, 42 + NEXT_TRY: FAIR, 43: FAIR})
    first, second, third = generator.draw(REQUEST, batch_size=batch_size, tone_tries=3)
    assert sorted(drawn) == [41, 42, 43, 42 + NEXT_TRY]
    assert [image.sidecar["measured_tone"]["drawn_again"] for image in (first, second, third)] == [0, 1, 0]
    assert second.seed == 42 and second.sidecar["measured_tone"]["asked"] == [41, 55]
    assert 41 <= second.measured_ita <= 55
    (alone,) = generator.draw(REQUEST, batch_size=batch_size, tone_tries=3, indices=[1])
    assert alone.png == second.png


def test_the_number_of_tries_is_bounded_and_the_nearest_is_kept(generator, monkeypatch) -> None:
    drawn = in_colour(generator, monkeypatch, {41 + NEXT_TRY: OLIVE})
    (image,) = generator.draw(REQUEST, tone_tries=2, indices=[0])
    assert drawn == [41, 41 + NEXT_TRY, 41 + 2 * NEXT_TRY]
    assert image.sidecar["measured_tone"]["drawn_again"] == 1
    drawn.clear()
    next(generator.draw(REQUEST, tone_tries=0, indices=[0]))
    assert drawn == [41]


def test_a_picture_a_little_too_dark_is_exposed_and_not_drawn_again(generator, monkeypatch) -> None:
    drawn = in_colour(generator, monkeypatch, {41: (192, 152, 120)})
    (image,) = generator.draw(REQUEST, tone_tries=2, exposure=0.35, indices=[0])
    measured = image.sidecar["measured_tone"]
    assert drawn == [41] and measured["drawn_again"] == 0
    assert 0 < measured["stops"] <= 0.35 and 41 < measured["ita"] < 44
    (as_drawn,) = generator.draw(REQUEST, tone_tries=0, exposure=0, indices=[0])
    assert as_drawn.sidecar["measured_tone"]["stops"] == 0 and as_drawn.measured_ita < 41
    assert as_drawn.png != image.png


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_tones_share_their_first_steps(tmp_path, guidance_scale) -> None:
    import torch

    folder = write_pipeline(tmp_path / "shared")
    write_card(folder, Card(steps=3, shared_steps=1))
    generator = Generator.load(folder, "cpu")
    seen = []
    unet = generator._pipeline.unet
    unet.register_forward_pre_hook(lambda _, given, named: seen.append((given[0].clone(), named["encoder_hidden_states"].clone())), with_kwargs=True)
    images = {}
    for tone in ("fair", "medium", "black"):
        request = REQUEST.model_copy(update={"tone": tone, "count": 1})
        (images[tone],) = generator.draw(request, guidance_scale=guidance_scale)
    steps = {tone: seen[3 * n : 3 * n + 3] for n, tone in enumerate(images)}
    for tone in ("fair", "black"):
        for at in (0, 1):  # what the first step is told, and what it made of it
            assert torch.equal(steps[tone][at][0], steps["medium"][at][0])
        assert torch.equal(steps[tone][0][1], steps["medium"][0][1])
        assert not torch.equal(steps[tone][1][1], steps["medium"][1][1])
        assert len(steps[tone][1][1]) == len(steps[tone][0][1])
    assert images["fair"].png != images["black"].png != images["medium"].png
    generator = Generator.load(folder, "cpu")
    request = REQUEST.model_copy(update={"tone": "black", "count": 1})
    assert next(generator.draw(request, guidance_scale=guidance_scale)).png == images["black"].png
    assert next(generator.draw(request, steps=1)).sidecar["sampling"]["shared_steps"] == 0, "one step is the tone's own"


@pytest.mark.parametrize("guidance_scale", [1.0, 3.0])
def test_the_step_after_the_shared_ones_goes_beyond_its_own_tone(tmp_path, guidance_scale) -> None:
    import torch

    folder = write_pipeline(tmp_path / "pushed")
    write_card(folder, Card(steps=3, shared_steps=1, shared_push=0.5))
    generator = Generator.load(folder, "cpu", dtype="float32")
    told = []
    generator._pipeline.unet.register_forward_pre_hook(lambda _, _given, named: told.append(named["encoder_hidden_states"][-1].clone()), with_kwargs=True)
    (image,) = generator.draw(REQUEST.model_copy(update={"tone": "black", "count": 1}), guidance_scale=guidance_scale)
    shared, pushed, own = told
    assert torch.allclose(pushed, own + 0.5 * (own - shared), atol=1e-5) and not torch.allclose(own, shared)
    assert image.sidecar["sampling"]["shared_push"] == 0.5


@pytest.mark.parametrize(("guidance_scale", "batch_size"), [(1.0, 1), (3.0, 2)])
def test_an_image_matched_to_another_tone_is_that_image_recoloured_and_redrawn(tmp_path, monkeypatch, guidance_scale, batch_size) -> None:
    folder = write_pipeline(tmp_path / "matched")
    write_card(folder, Card(steps=6, shared_steps=1, redrawn_steps=2))
    generator = Generator.load(folder, "cpu", dtype="float32")
    given = []

    def recoloured(rgb, tone, rash, area):
        given.append((rgb, tone, rash, area))
        return rgb // 2

    monkeypatch.setattr(edit, "in_tone", recoloured)
    fair = REQUEST.model_copy(update={"tone": "fair", "count": 2})
    black = fair.model_copy(update={"tone": "black", "matched": "fair"})
    settings = {"guidance_scale": guidance_scale, "batch_size": batch_size}
    before = list(generator.draw(fair, **settings))
    steps = []
    after = list(generator.draw(black, **settings, on_step=lambda _done, step, total: steps.append((step, total))))
    assert steps == [(7, 8), (8, 8)] * (2 // batch_size), "what was just drawn is at hand"
    fresh, steps = Generator.load(folder, "cpu", dtype="float32"), []
    again = list(fresh.draw(black, **settings, on_step=lambda _done, step, total: steps.append((step, total))))
    assert steps == [(n, 8) for n in range(1, 9)] * (2 // batch_size) and [a.png for a in again] == [a.png for a in after]
    for seen, image in zip(given, before + before, strict=True):
        assert (seen[0] == np.asarray(image.image)).all() and seen[1:] == ("black", fair.rash, fair.area)
    alone = list(generator.draw(black.model_copy(update={"matched": None}), **settings))
    for first, image, other in zip(before, after, alone, strict=True):
        assert image.png != other.png and image.sidecar["sampling"]["redrawn_steps"] == 2 and "alone" not in image.sidecar
        assert "redrawn_steps" not in other.sidecar["sampling"] and "matched" not in other.sidecar["request"]
        assert provenance.read_request(image.sidecar)[0].matched == "fair" and image.sidecar["request"]["tone"] == "black"
        assert first.seed == image.seed
    (second,) = generator.draw(black, **settings, indices=[1])
    assert second.png == after[1].png
    assert generator.sampling(30).redrawn_steps == 10 and generator.sampling(1).redrawn_steps == 1
    same = next(generator.draw(fair.model_copy(update={"matched": "fair"}), **settings))
    assert (np.asarray(same.image) == np.asarray(before[0].image)).all()
    write_card(folder, Card(steps=6, redrawn_steps=2, redrawn_by_rash={"eczema": 3}))
    generator = Generator.load(folder, "cpu", dtype="float32")
    assert [generator.sampling(rash=rash).redrawn_steps for rash in ("eczema", "acne", None)] == [3, 2, 2]


def test_an_image_that_cannot_be_recoloured_is_drawn_alone_and_says_so(tmp_path, monkeypatch) -> None:
    folder = write_pipeline(tmp_path / "alone")
    write_card(folder, Card(steps=3, redrawn_steps=1))
    generator = Generator.load(folder, "cpu", dtype="float32")

    def recoloured(rgb, tone, rash, area):
        raise edit.EditError("too little skin")

    monkeypatch.setattr(edit, "in_tone", recoloured)
    request = REQUEST.model_copy(update={"tone": "black", "count": 1})
    (image,) = generator.draw(request.model_copy(update={"matched": "fair"}))
    (plain,) = generator.draw(request)
    assert (np.asarray(image.image) == np.asarray(plain.image)).all() and image.sidecar["alone"] is True
    path = image.save(tmp_path / "kept")
    record = generator.record(request.model_copy(update={"matched": "fair"}), 0, generator.sampling(rash=request.rash))
    assert provenance.saved_at(record, tmp_path / "kept") == path


# ── settings ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_defaults_come_from_the_card(tiny_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "carded"))
    card = {"name": "my model", "steps": 3, "guidance_scale": 1.0, "guidance_by_rash": {"warts": 2.0}, "resolution": 48}
    (folder / "script2skin.json").write_text(json.dumps(card))
    generator = Generator.load(folder, "cpu")
    image = next(generator.draw(REQUEST))
    assert image.image.size == (48, 48)
    assert image.sidecar["model"]["name"] == "my model"
    assert (image.sidecar["sampling"]["steps"], image.sidecar["sampling"]["guidance_scale"]) == (3, 1.0)
    warts = REQUEST.model_copy(update={"rash": "warts"})
    assert next(generator.draw(warts)).sidecar["sampling"]["guidance_scale"] == 2.0
    assert next(generator.draw(warts, guidance_scale=1.5)).sidecar["sampling"]["guidance_scale"] == 1.5


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"steps": 1001}, {"guidance_scale": -1}, {"guidance_scale": 31}, {"batch_size": 0}, {"guidance_scale": float("nan")}])
def test_settings_out_of_range_are_one_sentence(generator: Generator, wrong: dict) -> None:
    with pytest.raises(SamplingError, match="must be from"):
        next(generator.draw(REQUEST, **wrong))


def test_no_such_image(generator: Generator) -> None:
    with pytest.raises(SamplingError, match="no image 3"):
        next(generator.draw(REQUEST, indices=[3]))


def test_no_such_device() -> None:
    with pytest.raises(CheckpointError, match="'cpu' always can"):
        pick_device("abacus")


@pytest.mark.parametrize("name", ["DPMSolverMultistepScheduler", "PNDMScheduler", "LCMScheduler", "EulerAncestralDiscreteScheduler"])
def test_other_schedulers_and_latents_draw_and_redraw(tmp_path: Path, name: str) -> None:
    """16×16×8 latents at a factor of 16, as the embedded checkpoint has, under the field's usual samplers."""
    shape = Shape(vae_channels=(8, 8, 16, 16, 16), latent_channels=8, latent_size=4)
    folder = write_pipeline(tmp_path / "model", shape)
    config = folder / "scheduler/scheduler_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "_class_name": name, "rescale_betas_zero_snr": False}))
    generator = Generator.load(folder, "cpu")
    calls = []
    images = list(generator.draw(REQUEST, steps=4, on_step=lambda *how_far: calls.append(how_far)))
    assert images[0].image.size == (64, 64)
    assert calls[-1][1] == calls[-1][2] == len(calls) // 3  # PNDM takes 5 steps when asked for 4
    (alone,) = generator.draw(REQUEST, steps=4, indices=[1])
    assert np.array_equal(pixels(alone), pixels(images[1]))


# ── progress, stop, threads ─────────────────────────────────────────────────────────────────────────────────────


def test_progress_counts_steps_and_images(generator: Generator) -> None:
    calls = []
    list(generator.draw(REQUEST, steps=2, on_step=lambda *how_far: calls.append(how_far)))
    assert calls == [(0, 1, 2), (0, 2, 2), (1, 1, 2), (1, 2, 2), (2, 1, 2), (2, 2, 2)]


def test_stop_ends_within_a_step_and_keeps_what_is_done(generator: Generator) -> None:
    stop = threading.Event()
    steps = []

    def watch(done: int, step: int, total: int) -> None:
        steps.append((done, step))
        if (done, step) == (1, 2):
            stop.set()

    images = list(generator.draw(REQUEST, steps=50, on_step=watch, cancelled=stop))
    assert [image.index for image in images[1:]] == [] and steps[-1] == (1, 2)
    assert np.array_equal(pixels(images[0]), pixels(next(generator.draw(REQUEST, steps=50))))


def test_stopped_before_the_start_draws_nothing(generator: Generator) -> None:
    assert list(generator.draw(REQUEST, cancelled=lambda: True)) == []


def test_threads_take_turns_and_get_their_own_pictures(generator: Generator) -> None:
    requests = [REQUEST.model_copy(update={"seed": seed}) for seed in (100, 200)]
    alone = [[image.png for image in generator.draw(request, steps=3)] for request in requests]
    together: dict[int, list[bytes]] = {}

    def work(number: int) -> None:
        together[number] = [image.png for image in generator.draw(requests[number], steps=3)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[0], together[1]] == alone


def test_who_waits_for_another_can_stop_waiting(generator: Generator) -> None:
    with generator._lock:
        stop = threading.Event()
        threading.Timer(0.2, stop.set).start()
        assert list(generator.draw(REQUEST, cancelled=stop)) == []


def test_an_iterator_left_half_way_does_not_block_others(generator: Generator) -> None:
    half_way = generator.draw(REQUEST, steps=1)
    next(half_way)
    assert len(list(generator.draw(REQUEST, steps=1))) == 3


# ── failures ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_blank_pictures_are_failures(tiny_model: Path) -> None:
    generator = Generator.load(tiny_model, "cpu")
    generator._pipeline.vae.decoder.conv_out.weight.zero_()
    images = list(generator.draw(REQUEST, steps=1))
    assert [image.error for image in images] == ["the picture is blank"] * 3
    assert all(image.image is None and image.png == b"" and image.sidecar["error"] == image.error for image in images)
    with pytest.raises(ValueError, match="failed"):
        images[0].save(Path("unused"))


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_pictures_of_nan_are_failures(tiny_model: Path, part: str) -> None:
    generator = Generator.load(tiny_model, "cpu")
    next(getattr(generator._pipeline, part).parameters() if part == "unet" else generator._pipeline.vae.decoder.parameters()).fill_(float("nan"))
    (image,) = generator.draw(REQUEST, steps=1, indices=[0])
    assert image.error == "the picture holds values that are not numbers" and image.image is None


def test_record_reads_back_into_the_request(generator: Generator) -> None:
    for image in generator.draw(REQUEST, steps=1):
        assert read_request(image.sidecar) == (REQUEST, image.index)
        assert image.measured_ita is None or -180 < image.measured_ita <= 180
