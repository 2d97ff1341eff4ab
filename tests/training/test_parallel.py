import subprocess
import sys

SCRIPT = """
import sys
from pathlib import Path
import torch
from torch import nn
from training.run import Run, Schedule, Strict

class Recipe(Strict):
    name: str = "line"

torch.manual_seed(0)
model = nn.Linear(16, 16)
run = Run(Path(sys.argv[1]), Recipe(), Schedule(minutes=1, max_steps=5, batch=1, lr=0.01, warmup_steps=1), model, "")
drawn = []

def loss(step, random):
    x = torch.randn(8, 16, generator=random.torch)
    drawn.append(x)
    return {"loss": (model(x) - x).square().mean()}

run.fit(loss, lambda picture: {})
torch.save({"weight": model.weight.detach(), "drawn": torch.stack(drawn)}, f"{sys.argv[1]}/end{run.rank}.pt")
"""


def test_two_processes_draw_different_batches_and_end_with_one_model(tmp_path):
    import torch

    (tmp_path / "two.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run([*command, str(tmp_path / "two.py"), str(tmp_path)], check=True, timeout=200)
    first, second = (torch.load(tmp_path / f"end{rank}.pt", weights_only=True) for rank in (0, 1))
    assert torch.equal(first["weight"], second["weight"])
    assert not torch.equal(first["drawn"], second["drawn"])
    assert len((tmp_path / "starts.jsonl").read_text().splitlines()) == 1
