"""Models made from a base: their card, what they inherit, how they are named and offered, and how they go wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from assistant import Trained
from assistant.schema import ImageRequest
from generation import Card, CheckpointError, Generator, find, known, offer, weights_sha256, write_card
from generation.job import opened
from tests.generation.test_lora import save_adapter
from tests.models import write_pipeline

REQUEST = ImageRequest(count=1, rash="eczema", area="elbow", tone="fair", seed=3)
BASE = Card(
    name="base", steps=3, guidance_scale=2.0, guidance_by_rash={"warts": 4.0}, license="CC0-1.0",
    trained=Trained(rash=["eczema", "warts"], area=["elbow"], tone=["fair"]),
)  # fmt: skip


@pytest.fixture
def base(tiny_model: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "base"))
    write_card(folder, BASE.model_copy(update={"sha256": weights_sha256(folder)}))
    return folder


@pytest.fixture
def run(base: Path, tmp_path: Path) -> Path:
    """What a finished training leaves behind: a tuned text tower with its tokenizer, and an adapter."""
    final = tmp_path / "runs/scabies/final"
    other = write_pipeline(tmp_path / "other", seed=1)
    shutil.copytree(other / "text_encoder", final / "text_encoder")
    shutil.copytree(other / "tokenizer", final / "tokenizer")
    save_adapter(base, final / "lora")
    trained = Trained(rash=["eczema", "warts", "scabies"], area=["elbow"], tone=["fair"])
    card = Card(base="../../../base", base_sha256=weights_sha256(base), text_encoder="text_encoder", lora="lora", trained=trained)
    write_card(final, card)
    return final.parent


def edit(run: Path, **changes: object) -> None:
    path = run / "final/script2skin.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


# ── card ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_derived_card_holds_what_it_sets_and_inherits_the_rest(run: Path, base: Path) -> None:
    written = json.loads((run / "final/script2skin.json").read_text())
    assert written.keys() == {"base", "base_sha256", "text_encoder", "lora", "trained"}
    edit(run, guidance_scale=3.0)
    checkpoint = find(run)
    card = checkpoint.card
    assert (checkpoint.name, checkpoint.base.name) == ("scabies", "base")
    assert checkpoint.folder.resolve() == base
    assert (card.steps, card.guidance_scale, card.guidance_by_rash, card.license) == (3, 3.0, {"warts": 4.0}, "CC0-1.0")
    assert card.trained.knows("rash", "scabies") and checkpoint.added == ("scabies",)
    assert card.sha256 == weights_sha256(base)


def test_what_it_is_made_of_is_said(run: Path) -> None:
    assert find(run).made_of == "base with a LoRA adapter and a text encoder of its own"
    edit(run, text_encoder=None, lora_scale=0.5)
    assert find(run).made_of == "base with a LoRA adapter at 0.5"


def test_a_run_is_found_by_itself_by_its_final_folder_and_from_anywhere(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find(run) == find(run / "final")
    monkeypatch.chdir(run)
    assert find("final").folder.resolve() == find(run).folder.resolve()


def test_a_run_that_has_not_finished_says_so(tmp_path: Path) -> None:
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    with pytest.raises(CheckpointError, match="has not finished: it has checkpoints only"):
        find(tmp_path / "run")


# ── drawing ─────────────────────────────────────────────────────────────────────────────────────────────────────


def picture(generator: Generator) -> bytes:
    return np.asarray(next(generator.draw(REQUEST, steps=2)).image).tobytes()


def test_both_parts_are_drawn_with_and_recorded(run: Path, base: Path) -> None:
    final = run / "final"
    both = Generator.load(run, "cpu")
    beside = Generator.load(base, "cpu", text_encoder=run, lora=run)
    plain = Generator.load(base, "cpu")
    assert picture(both) == picture(beside) != picture(plain)
    assert picture(Generator.load(run, "cpu", text_encoder=base / "text_encoder")) != picture(both), "what is given goes first"
    model = both.model
    assert (model["name"], model["base"], model["sha256"]) == ("scabies", "base", weights_sha256(base))
    assert len(model["text_encoder_sha256"]) == len(model["lora_sha256"]) == 64
    edit(run, lora_scale=0.5)
    assert Generator.load(run, "cpu").model["lora_scale"] == 0.5
    shutil.rmtree(final / "lora")
    with pytest.raises(CheckpointError, match="is not a LoRA adapter"):
        Generator.load(run, "cpu")


def test_a_base_with_other_weights_is_refused(run: Path, base: Path) -> None:
    edit(run, base_sha256="0" * 64)
    with pytest.raises(CheckpointError, match="trained from other weights than base has now"):
        Generator.load(run, "cpu")
    write_card(base, BASE.model_copy(update={"sha256": "1" * 64}))
    with pytest.raises(CheckpointError, match="is damaged or was changed"):
        Generator.load(run, "cpu")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base": "../nowhere"}, r"made from \.\./nowhere, which cannot be used. There is no model folder"),
        ({"base": "somebody/model@abc"}, "downloads are off"),
        ({"base": "."}, "which is itself made from"),
        ({"lora_scale": 3}, "not a valid model card: lora_scale"),
        ({"base_sha256": "x"}, "not a valid model card: base_sha256"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_card_is_a_sentence(run: Path, changes: dict[str, object], words: str) -> None:
    edit(run, **changes)
    with pytest.raises(CheckpointError, match=words) as caught:
        find(run)
    assert "\n" not in str(caught.value)


def test_a_part_that_is_not_there_is_a_sentence(run: Path) -> None:
    edit(run, text_encoder="elsewhere")
    with pytest.raises(CheckpointError, match="no text encoder folder"):
        Generator.load(run, "cpu")
    edit(run, text_encoder=None)
    with pytest.raises(CheckpointError, match="has no text encoder of its own"):
        Generator.load("embedded", "cpu", text_encoder=run)


# ── choosing by name ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_finished_run_is_offered_by_name(run: Path, base: Path, own_home: Path) -> None:
    assert offer(run / "final", "scabies-lora") == offer(run / "final", "scabies-lora") == "scabies-lora"
    assert (own_home / "models/scabies-lora").readlink() == run / "final"
    assert known()["scabies-lora"] is True
    checkpoint = find("scabies-lora")
    assert (checkpoint.name, checkpoint.base.name, checkpoint.folder.resolve()) == ("scabies-lora", "base", base)
    assert offer(base, "scabies-lora") == "scabies-lora-2"
    assert offer(base, "embedded") == "embedded-2"
    assert picture(Generator.load("scabies-lora", "cpu")) == picture(Generator.load(run, "cpu"))


def test_a_run_that_was_deleted_is_not_listed_and_says_so_when_chosen(run: Path) -> None:
    offer(run / "final", "scabies-lora")
    opened("scabies-lora")
    shutil.rmtree(run)
    assert "scabies-lora" not in known()
    with pytest.raises(CheckpointError, match=r"'scabies-lora' is gone: .*runs/scabies/final was deleted or moved"):
        opened("scabies-lora")


def test_a_model_that_was_trained_again_is_loaded_again(run: Path) -> None:
    offer(run / "final", "scabies-lora")
    before = opened("scabies-lora")
    assert opened("scabies-lora") is before
    write_card(run / "final", Card(base="../../../base", lora="lora", lora_scale=0.25))
    after = opened("scabies-lora")
    assert after is not before and after.model["lora_scale"] == 0.25
    path = next((run / "final/lora").glob("*.safetensors"))
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 10**9))
    assert opened("scabies-lora") is not after


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 200])
def test_a_name_that_is_none_is_refused(run: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="cannot be the name of a model"):
        offer(run / "final", name)


def test_a_place_that_cannot_be_written_is_a_sentence(run: Path, own_home: Path) -> None:
    (own_home / "models").write_text("in the way")
    with pytest.raises(CheckpointError, match="cannot be put into"):
        offer(run / "final", "scabies-lora")
    with pytest.raises(CheckpointError, match="no model folder"):
        offer(run.parent / "nothing", "scabies-lora")


# ── hub ─────────────────────────────────────────────────────────────────────────────────────────────────────────

REVISION = "0123456789abcdef0123456789abcdef01234567"


def to_hub(folder: Path, cache: Path, repository: str) -> Path:
    """Lay a folder out as the hub client does: blobs by hash, a snapshot of links to them, a ref with the revision."""
    root = cache / f"models--{repository.replace('/', '--')}"
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        blob = root / "blobs" / f"{len(list((root / 'blobs').glob('*'))):040x}"
        link = root / "snapshots" / REVISION / path.relative_to(folder)
        for parent in (blob.parent, link.parent):
            parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, blob)
        link.symlink_to(os.path.relpath(blob, link.parent))
    (root / "refs").mkdir()
    (root / "refs/main").write_text(REVISION)
    return root


def test_models_bases_towers_and_adapters_load_from_a_hub_cache_offline(run: Path, base: Path, tmp_path: Path) -> None:
    cache = tmp_path / "hub"
    to_hub(base, cache, "lab/base")
    to_hub(run / "final" / "text_encoder", cache, "lab/tower")
    to_hub(run / "final" / "lora", cache, "lab/adapter")
    edit(run, base=f"lab/base@{REVISION}")
    to_hub(run / "final", cache, "lab/scabies")
    code = f"""
        import json, socket
        from assistant.schema import ImageRequest
        from generation import Generator
        def refuse(*_): raise AssertionError("a connection was opened")
        socket.socket.connect = socket.getaddrinfo = refuse
        request = ImageRequest.model_validate_json({REQUEST.model_dump_json()!r})
        at = "@{REVISION}"
        for model, parts in (
            ("lab/base" + at, {{}}),
            ("lab/scabies" + at, {{}}),
            ("lab/base@main", {{"text_encoder": "lab/tower" + at, "lora": "lab/adapter" + at}}),
            ({str(run)!r}, {{}}),
        ):
            image = next(Generator.load(model, "cpu", **parts).draw(request, steps=2))
            print(json.dumps([image.error, image.sidecar["model"], hash(image.image.tobytes())]))
    """
    environment = {**os.environ, "HF_HUB_CACHE": str(cache)}
    lines = "\n".join(line[8:] for line in code.splitlines())
    done = subprocess.run([sys.executable, "-c", lines], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (_, plain, one), (_, derived, two), (_, beside, three), (_, local, four) = map(json.loads, done.stdout.splitlines())
    assert one != two == three == four
    assert plain["name"] == derived["base"] == local["base"] == f"lab/base@{REVISION}"
    assert derived["lora_sha256"] == beside["lora_sha256"] and derived["text_encoder_sha256"] == beside["text_encoder_sha256"]
