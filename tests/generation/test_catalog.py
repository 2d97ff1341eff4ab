"""Names, folders and hub repositories; what a checkpoint's card says; offline by default and without torch."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from assistant import Trained
from generation import Card, CheckpointError, Generator, catalog, find, known, write_card


def in_new_process(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_package_and_its_names_need_no_torch() -> None:
    code = (
        "import sys, generation; generation.known()\n"
        "try: generation.find('sd15')\n"
        "except generation.CheckpointError: pass\n"
        "print(*{'torch', 'diffusers', 'transformers'} & set(sys.modules))"
    )
    assert in_new_process(code) == ""


def test_a_folder_is_named_by_its_card_or_itself(tiny_model: Path, tmp_path: Path) -> None:
    assert find(tiny_model).name == "tiny"
    folder = Path(shutil.copytree(tiny_model, tmp_path / "copy"))
    trained = Trained(rash=["eczema", "acne"], area=["elbow"], tone=["fair"])
    write_card(folder, Card(name="first try", steps=8, guidance_scale=1, trained=trained))
    assert json.loads((folder / "script2skin.json").read_text())["trained"]["rash"] == ["acne", "eczema"]
    checkpoint = find(str(folder))
    assert (checkpoint.name, checkpoint.card.steps, checkpoint.card.trained) == ("first try", 8, trained)


def test_a_folder_without_a_card_restricts_nothing(tiny_model: Path) -> None:
    assert find(tiny_model).card.trained is None


def test_own_models_are_known_by_name(tiny_model: Path, own_home: Path) -> None:
    shutil.copytree(tiny_model, own_home / "models" / "mine")
    assert known()["mine"] is True
    assert find("mine").folder == own_home / "models" / "mine"


def test_a_slip_in_a_name_gets_a_suggestion() -> None:
    with pytest.raises(CheckpointError, match="did you mean 'embedded'"):
        find("embeded")
    with pytest.raises(CheckpointError, match="known names are embedded, sd15"):
        find("qqqq")


def test_the_embedded_checkpoint_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalog, "EMBEDDED", tmp_path / "none")
    with pytest.raises(CheckpointError, match="embedded checkpoint is missing"):
        find("embedded")


@pytest.mark.parametrize("content", ["{", "[]", '{"steps": 0}', '{"trained": {"rash": "eczema"}}', '{"sha256": "abc"}'])
def test_a_bad_card_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "script2skin.json").write_text(content)
    with pytest.raises(CheckpointError, match="not a valid model card") as caught:
        find(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_single_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="single file"):
        find(tmp_path / "model.ckpt")


def test_hub_names_without_weights_at_hand_say_what_to_do() -> None:
    with pytest.raises(CheckpointError, match="SCRIPT2SKIN_OFFLINE=false"):
        find("sd15")
    with pytest.raises(CheckpointError, match="somebody/model@<commit>"):
        find("somebody/model")
    assert known()["sd15"] is False


def test_hub_names_load_from_the_local_cache_at_their_pinned_revision(tiny_model: Path, tmp_path: Path) -> None:
    repo, revision = catalog.HUB["sd15"]
    snapshot = tmp_path / "hub" / f"models--{repo.replace('/', '--')}" / "snapshots" / revision
    shutil.copytree(tiny_model, snapshot)
    code = "from generation import find, known; print(find('sd15').folder, find('sd15').name, known()['sd15'])"
    assert in_new_process(code, HF_HOME=str(tmp_path)) == f"{snapshot} sd15 True"


def test_loading_and_drawing_open_no_connection(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from assistant.schema import ImageRequest

    def refuse(*_args: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    request = ImageRequest(count=1, rash="acne", area="chin", tone="olive", seed=0)
    assert next(Generator.load(tiny_model, "cpu").draw(request, steps=1)).error is None
