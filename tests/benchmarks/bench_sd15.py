"""Every recipe for Stable Diffusion 1.5 and its CLIP for a few steps, on a model of its size with random weights: memory and speed.

    python tests/benchmarks/bench_sd15.py --data runs/scabies                       # all recipes, 512 pixels
    python tests/benchmarks/bench_sd15.py --data runs/scabies --only sd15_lora_8gb --resolution 256

The weights are written once, 2 GB in float16. A step is one batch (``accumulate`` 1): more of them take longer, not more memory.
Prior and validation draw one picture in one step. What is said is the most memory that the training took (of the GPU where there
is one, else of the process), and seconds a step.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
RECIPES = ROOT / "training" / "recipes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--folder", type=Path, default=Path("runs/sd15-random"), help="where the random weights are written")
    parser.add_argument("--only", action="append", help="name of a recipe; repeatable")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--resolution", type=int, default=512)
    arguments = parser.parse_args()
    if not (arguments.folder / "done").exists():
        write(arguments.folder)
        (arguments.folder / "done").touch()
    names = arguments.only or sorted(path.stem for pattern in ("sd15_*", "clip_*_*") for path in RECIPES.glob(f"{pattern}.yaml"))
    for name in names:
        with tempfile.TemporaryDirectory() as home:
            few(arguments.data, Path(home) / "set")
            print(f"{name:28} {tried(name, arguments, Path(home))}", flush=True)


def few(data: Path, out: Path, learn: int = 8, held_out: int = 4) -> None:
    """A set of the first few pictures of ``data``: all are encoded before the first step."""
    rows = [json.loads(line) for line in (data / "metadata.jsonl").read_text().splitlines()][: learn + held_out]
    for place, row in enumerate(rows):
        row |= {"file_name": str((data / row["file_name"]).resolve()), "mask_file_name": None, "split": "train" if place < learn else "validation"}
    out.mkdir()
    (out / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def tried(name: str, arguments: argparse.Namespace, home: Path) -> str:
    recipe = yaml.safe_load((RECIPES / f"{name}.yaml").read_text())
    kept = {key: value for key, value in recipe["schedule"].items() if key not in ("epochs", "accumulate")}
    changes: dict[str, Any] = {"run": str(home / "run"), "schedule": {**kept, "max_steps": arguments.steps}, "data": [{"path": str(home / "set")}]}
    if recipe["kind"] == "tune":
        changes |= {"base": str(arguments.folder), "resolution": arguments.resolution, "steps": 1, "show": ["acne type of rash at the chin area on a fair skin"]}
        if "prior" in recipe:
            changes["prior"] = {**recipe["prior"], "images": 1}
    else:
        changes |= {"base": str(arguments.folder / recipe["base"].split("@")[0].split("/")[1]), "pipeline": None}
    path = home / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe | changes))
    command = {"clip-tune": "clip", "tune": "lora"}[recipe["kind"]]
    environment = {**os.environ, "SCRIPT2SKIN_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", "import script2skin; script2skin.main()", "train", command, str(path)], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return (done.stderr.strip() or done.stdout.strip() or f"ended with {done.returncode}").splitlines()[-1]
    report = json.loads((home / "run" / "report.json").read_text())
    last = json.loads((home / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    size = f", {arguments.resolution} pixels" if recipe["kind"] == "tune" else ""
    return f"batch {kept['batch']}{size}: at most {report['peak_memory_gb']:.1f} GB, {last['seconds'] / arguments.steps:.1f} s a step"


def write(folder: Path) -> None:
    """Stable Diffusion 1.5 and the two CLIPs with random weights; configs as published, the tokenizer that of the tests."""
    import torch
    from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    from tests.models import write_tokenizer

    write_tokenizer(folder / "letters", 77)
    tokenizer = CLIPTokenizer.from_pretrained(folder / "letters")
    text = {
        "hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12, "projection_dim": 768,
        "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    torch.set_default_dtype(torch.float16)
    try:
        StableDiffusionPipeline(
            unet=UNet2DConditionModel(
                sample_size=64, block_out_channels=(320, 640, 1280, 1280), cross_attention_dim=768, attention_head_dim=8,
                down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",), up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
            ),
            vae=AutoencoderKL(
                block_out_channels=(128, 256, 512, 512), layers_per_block=2, sample_size=512, down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
            ),
            text_encoder=CLIPTextModel(CLIPTextConfig(**text)), tokenizer=tokenizer,
            scheduler=PNDMScheduler(
                beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1
            ),
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        ).save_pretrained(folder)  # fmt: skip
        images = {
            "clip-vit-large-patch14": ({}, {"hidden_size": 1024, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14}),
            "clip-vit-base-patch32": (
                {"hidden_size": 512, "intermediate_size": 2048, "num_attention_heads": 8, "projection_dim": 512}, {"patch_size": 32, "projection_dim": 512}
            ),
        }  # fmt: skip
        for name, (words, image) in images.items():
            width = words.get("projection_dim", 768)
            config = CLIPConfig(text_config={**text, **words}, vision_config={"projection_dim": width, **image}, projection_dim=width)
            CLIPModel(config).save_pretrained(folder / name)
            tokenizer.save_pretrained(folder / name)
    finally:
        torch.set_default_dtype(torch.float32)
    (folder / "script2skin.json").write_text(json.dumps({"name": "Stable Diffusion 1.5's size, random", "steps": 1}))


if __name__ == "__main__":
    main()
