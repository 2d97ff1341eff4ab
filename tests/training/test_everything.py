import json

import pytest
import yaml

from training.cli import RECIPES
from training.everything import SHARES, everything

SMALL = {
    "autoencoder": {
        "architecture": {"block_out_channels": [8, 16, 24, 32, 48], "latent_channels": 8, "norm_num_groups": 4},
        "crop": 32,
        "fit_images": 8,
    },
    "clip": {"towers": {"text_width": 64, "text_layers": 1, "image_width": 64, "image_layers": 1, "image_size": 32}},
    "unet": {"net": {"block_out_channels": [16, 32, 32], "heads": [1, 1, 1], "norm_num_groups": 8}, "show": []},
    "guidance": {"show": []},
    "sharpen": {"crop": 32},
    "assemble": {"steps": 1, "guidance_most": 6},
}


@pytest.mark.slow
def test_one_command_goes_from_nothing_to_a_checkpoint_and_on(tmp_path):
    recipes = {name: yaml.safe_load((RECIPES / f"{name}.yaml").read_text()) | SMALL[name] for name in SMALL}
    for name in SHARES:
        recipes[name]["schedule"] |= {"max_steps": 2, "batch": 4}
    folder = everything(recipes, minutes=1, phantoms=24, device="cpu", root=tmp_path)
    assert len((tmp_path / "phantoms" / "metadata.jsonl").read_text().splitlines()) == 24
    assert (folder / "every_area.jpg").exists() and (folder / "every_rash_on_every_tone.jpg").exists()
    assert json.loads((folder / "script2skin.json").read_text())["resolution"] == 256
    recipes["unet"]["schedule"]["max_steps"] = 3
    everything(recipes, minutes=1, phantoms=24, device="cpu", root=tmp_path)
    starts = [json.loads(line) for line in (tmp_path / "unet" / "starts.jsonl").read_text().splitlines()]
    assert [start["step"] for start in starts] == [0, 2]
    further = everything(
        recipes, minutes=1, phantoms=24, device="cpu", root=tmp_path / "on", also=(tmp_path / "phantoms",), start=folder
    )
    assert not (tmp_path / "on" / "clip").exists(), "the text tower stays"
    tower = "text_encoder/model.safetensors"
    assert (further / tower).read_bytes() == (folder / tower).read_bytes()
