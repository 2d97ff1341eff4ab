"""Answers are kept at once, once, and survive what cut the last one off."""

import threading

import pytest

from study.answers import Answer, add, code_of, of_all, of_reader
from study.plan import StudyError


def one(picture="a", said="real", **more):
    return Answer(picture=picture, said=said, diagnosis="acne", seconds=1, **more)


def test_the_first_answer_stands(tmp_path):
    assert add(tmp_path, "anna", one())
    assert not add(tmp_path, "anna", one(said="synthetic"))
    assert [answer.said for answer in of_reader(tmp_path, "anna")] == ["real"]
    assert of_reader(tmp_path, "anna")[0].time.endswith("+00:00")


def test_a_line_cut_in_two_is_left_out_and_the_next_one_is_whole(tmp_path):
    add(tmp_path, "anna", one("a"))
    with (tmp_path / "anna.jsonl").open("a") as file:
        file.write('{"picture": "b", "sa')
    assert add(tmp_path, "anna", one("b", "synthetic"))
    assert [(answer.picture, answer.said) for answer in of_reader(tmp_path, "anna")] == [("a", "real"), ("b", "synthetic")]


def test_readers_at_the_same_time_lose_nothing(tmp_path):
    def read(reader):
        for number in range(30):
            add(tmp_path, reader, one(f"{number}"))

    threads = [threading.Thread(target=read, args=(reader,)) for reader in ("anna", "anna", "ben")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    said = of_all(tmp_path, [f"{number}" for number in range(20)])
    assert {reader: len(answers) for reader, answers in said.items()} == {"anna": 20, "ben": 20}
    assert len((tmp_path / "anna.jsonl").read_text().splitlines()) == 30


@pytest.mark.parametrize("typed", ["", "../key", "a b", "ä", "x" * 33, "-a"])
def test_a_code_is_a_plain_name(typed):
    with pytest.raises(StudyError, match="A code has"):
        code_of(typed)


def test_a_code_is_the_same_in_capitals():
    assert code_of(" Reader-1 ") == "reader-1"
