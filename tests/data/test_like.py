"""A synthetic set with the labels of a real one."""

import json

import pytest
from typer.testing import CliRunner

from data.like import requests_like
from data.manifest import Row, write
from generation import read_request


def rows(**counts):
    """Training rows by condition; melanoma on black skin too, and one picture that is held out."""
    made = [(rash, "fair", "train") for rash, many in counts.items() for _ in range(many)]
    made += [("melanoma", "black", "train"), ("mole", "fair", "validation")]
    return [
        Row(rash=rash.replace("_", " "), tone=tone, file_name=f"{n}.png", text="x", source="s", license="CC0-1.0", group=str(n), split=split)
        for n, (rash, tone, split) in enumerate(made)
    ]


def test_as_many_of_each_label_as_the_set_has_and_every_image_from_a_seed_of_its_own():
    requests, left_out = requests_like(rows(mole=6, melanoma=2), seed=2**32 - 3)
    assert left_out == 0 and {(r.rash, r.tone): r.count for r in requests} == {("melanoma", "black"): 1, ("melanoma", "fair"): 2, ("mole", "fair"): 6}
    seeds = [seed for request in requests for seed in request.image_seeds()]
    assert len(set(seeds)) == 9 and all(0 <= seed < 2**32 for seed in seeds) and requests[0].area is None
    assert requests[-1].caption == "mole type of lesion on a fair skin"


@pytest.mark.parametrize("count", [1, 7, 100])
def test_a_number_is_shared_out_and_conditions_can_be_as_many_as_each_other(count):
    requests, _ = requests_like(rows(mole=60, melanoma=2), 0, count)
    assert sum(r.count for r in requests) == count and all(r.count for r in requests)
    requests, _ = requests_like(rows(mole=60, melanoma=2), 0, count, balanced=True)
    moles = sum(r.count for r in requests if r.rash == "mole")
    assert sum(r.count for r in requests) == count and abs(2 * moles - count) <= 1


def test_what_nobody_can_ask_for_is_left_out_and_counted():
    strange = rows(mole=2)[0].model_copy(update={"rash": "chilblains of the moon"})
    unknown = rows(mole=2)[0].model_copy(update={"tone": None})
    requests, left_out = requests_like([*rows(mole=2), strange, unknown], 0)
    assert left_out == 2 and sum(r.count for r in requests) == 3
    with pytest.raises(ValueError, match="nothing to draw"):
        requests_like([unknown], 0)


def test_the_command_draws_lists_and_goes_on(tmp_path, tiny_model):
    from script2skin import app

    write(tmp_path / "set", rows(mole=3))
    command = ["generate", "--like", tmp_path / "set", "--out", tmp_path / "out", "--model", tiny_model, "--seed", "4", "--steps", "2"]
    for _ in range(2):
        result = CliRunner().invoke(app, [str(part) for part in command], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    listed = [json.loads(line) for line in (tmp_path / "out" / "metadata.jsonl").read_text().splitlines()]
    assert sorted((row["rash"], row["tone"], row["area"]) for row in listed) == [("melanoma", "black", None), *[("mole", "fair", None)] * 3]
    request, _ = read_request(tmp_path / "out" / listed[0]["file_name"])
    assert request.area is None and request.caption == listed[0]["text"]


def test_what_cannot_be_done_is_one_sentence(tmp_path, tiny_model):
    from script2skin import app

    for arguments, said in (
        (["--like", str(tmp_path)], "lists no pictures"),
        ([], "one sentence, or give --like"),
        (["acne on the chin", "--like", str(tmp_path)], "not both"),
    ):
        result = CliRunner().invoke(app, ["generate", *arguments, "--out", str(tmp_path / "out"), "--model", str(tiny_model)])
        assert result.exit_code in (1, 2) and said in " ".join(result.output.replace("│", " ").split()), result.output
