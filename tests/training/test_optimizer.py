import torch
from torch import nn

from training.norm import quicken
from training.optimizer import Ema, Muon, orthogonalised


def test_orthogonalised_has_singular_values_near_one():
    torch.manual_seed(0)
    for shape in ((32, 80), (80, 32)):
        values = torch.linalg.svdvals(orthogonalised(torch.randn(shape)))
        assert values.min() > 0.5 and values.max() < 1.3


def test_muon_takes_matrices_and_adam_the_rest():
    model = nn.ModuleDict({"table": nn.Embedding(32, 32), "line": nn.Linear(32, 32), "thin": nn.Linear(32, 3)})
    groups = {group["matrix"]: group["params"] for group in Muon(model, 0.01, 0.0).param_groups}
    assert [p is model["line"].weight for p in groups[True]] == [True]
    assert len(groups[False]) == 4


def test_muon_solves_a_regression():
    torch.manual_seed(0)
    model, target = nn.Linear(32, 32), torch.randn(32, 32)
    x = torch.randn(256, 32)
    optimizer = Muon(model, 0.05, 0.0)
    for step in range(200):
        for group in optimizer.param_groups:
            group["lr"] = 0.1 * (1 - step / 200)
        loss = (model(x) - x @ target).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss < 0.05 * (x @ target).square().mean()


def test_ema_follows_quickly_then_slowly():
    model = nn.Linear(2, 2, bias=False)
    nn.init.zeros_(model.weight)
    ema = Ema(model, 0.9)
    nn.init.ones_(model.weight)
    ema.update(0)
    assert torch.allclose(ema.shadow["weight"], torch.full((2, 2), 0.9))
    nn.init.zeros_(model.weight)
    ema.update(10_000)
    assert torch.allclose(ema.shadow["weight"], torch.full((2, 2), 0.81))


def test_quick_group_norm_is_group_norm():
    torch.manual_seed(0)
    stock = nn.Sequential(nn.GroupNorm(4, 16))
    nn.init.normal_(stock[0].weight)
    quick = quicken(nn.Sequential(nn.GroupNorm(4, 16)), torch.device("cpu"))
    quick.load_state_dict(stock.state_dict())
    x = (torch.randn(3, 16, 6, 5) + 2).contiguous(memory_format=torch.channels_last)
    results = []
    for norm in (stock, quick):
        mine = x.clone().requires_grad_()
        out = norm(mine)
        (out**3).sum().backward()
        results.append((out, mine.grad, norm[0].weight.grad, norm[0].bias.grad))
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-3)
