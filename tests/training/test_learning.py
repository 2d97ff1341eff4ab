import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from training.learning import Lasting, Learning, LoRA, Order


def test_a_schedule_of_epochs_is_one_of_steps_for_the_images_there_are():
    schedule, epoch = Lasting(epochs=3, batch=4, accumulate=2, lr=1).over(40)
    assert (epoch, schedule.max_steps, schedule.validate_steps) == (5, 15, 5)
    assert schedule.warmup_steps == 3, "a warm-up is no longer than a quarter of it"
    schedule, _ = Lasting(minutes=3, batch=4, lr=1).over(40)
    assert schedule.max_steps is None and schedule.minutes == 3


@pytest.mark.parametrize("told", [{}, {"epochs": 1, "minutes": 1}, {"max_steps": 1, "epochs": 1}])
def test_how_long_is_told_once(told):
    with pytest.raises(ValidationError, match="how long"):
        Lasting(batch=1, lr=1, **told)


def test_every_image_comes_once_an_epoch_in_an_order_of_its_own():
    order = Order(np.ones(10), 4, seed=1)
    rows = np.concatenate([order.rows(step) for step in range(5)])
    assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10))
    assert rows[:10].tolist() != rows[10:].tolist() and rows[:10].tolist() != list(range(10))
    assert order.rows(3).tolist() == Order(np.ones(10), 4, seed=1).rows(3).tolist()


def test_weights_draw_some_images_more_often():
    rows = np.concatenate([Order(np.array([1.0, 9.0]), 50, seed=0).rows(step) for step in range(10)])
    assert 0.05 < (rows == 0).mean() < 0.2


def test_only_what_learns_is_kept_and_in_full_precision():
    frozen, learns = nn.Linear(2, 2).half().requires_grad_(False), nn.Linear(2, 3).half()
    learning = Learning(frozen=frozen, learns=learns)
    assert set(learning.state_dict()) == {"learns.weight", "learns.bias"}
    assert learns.weight.dtype == torch.float32 and frozen.weight.dtype == torch.float16
    before = {name: value.clone() for name, value in learning.state_dict().items()}
    learning.load_state_dict({name: value + 1 for name, value in before.items()})
    assert torch.equal(learns.bias, before["learns.bias"] + 1)
    with pytest.raises(RuntimeError, match="differ"):
        learning.load_state_dict({"learns.weight": torch.zeros(3, 2)})


def test_weights_that_did_not_move_are_an_error():
    learning = Learning(line=nn.Linear(2, 2))
    with pytest.raises(RuntimeError, match="did not move"):
        learning.check_moved(learning.sampled())


def test_adapters_go_where_names_end_so():
    model = nn.ModuleDict({"attn": nn.ModuleDict({"to_q": nn.Linear(2, 2)}), "not_to_q": nn.Linear(2, 2)})
    assert LoRA(layers=("to_q",)).config(model).target_modules == {"attn.to_q"}
    with pytest.raises(ValueError, match="ends in conv9"):
        LoRA(layers=("conv9",)).config(model)
