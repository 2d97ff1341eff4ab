import pytest

from data.groups import Member, settle
from data.manifest import Row
from data.splits import split_of


def member(name, group=None, split=None, source="mine", rash="acne", sha=None):
    row = Row(file_name=f"images/{source}/{name}.jpg", text="x", rash=rash, source=source, license="x", group=group or name, split=split or "train")
    return Member(row, sha or f"sha of {source} {name}", group or name, split)


def splits(settled):
    return {row.file_name.split("/", 1)[1][:-4]: row.split for row in settled.rows}


def groups(settled):
    return {row.file_name.split("/", 1)[1][:-4]: row.group for row in settled.rows}


def test_a_picture_alone_keeps_its_name_and_gets_a_split_by_it():
    settled = settle([], [member(f"p{number}") for number in range(40)], [])
    assert splits(settled) == {f"mine/p{number}": split_of(f"p{number}") for number in range(40)}
    assert not settled.left_out and set(splits(settled).values()) == {"train", "validation", "test"}


def test_look_alikes_join_whole_patients():
    new = [member("a1", "A"), member("a2", "A"), member("b1", "B"), member("b2", "B"), member("c")]
    settled = settle([], new, [(1, 2)])
    assert groups(settled) == {**dict.fromkeys(("mine/a1", "mine/a2", "mine/b1", "mine/b2"), "mine:A"), "mine/c": "c"}
    assert len({splits(settled)[f"mine/{name}"] for name in ("a1", "a2", "b1", "b2")}) == 1


def test_sources_with_the_same_patient_number_are_not_joined_but_their_look_alikes_are():
    new = [member("a", "1"), member("b", "1", source="other"), member("c", "2", source="other")]
    assert groups(settle([], new, [])) == {"mine/a": "1", "other/b": "1", "other/c": "2"}
    assert groups(settle([], new, [(0, 2)])) == {"mine/a": "mine:1", "other/b": "1", "other/c": "mine:1"}


@pytest.mark.parametrize(("first", "second", "stays"), [("train", "test", "test"), ("validation", "train", "validation"), ("test", "validation", "test")])
def test_a_group_in_two_official_splits_stays_in_the_one_held_out_more(first, second, stays):
    settled = settle([], [member("a", split=first), member("b", split=second), member("c", split="train")], [(0, 1)])
    assert set(splits(settled).values()) == {stays, "train"} and len(settled.rows) == 2
    (reason,) = settled.left_out.values()
    assert reason.startswith(f"in {first if stays == second else second}, but one group with a picture in {stays}: images/mine/")


def test_a_patient_of_a_test_look_alike_leaves_training_as_a_whole():
    new = [member("a1", "A", "train"), member("a2", "A", "train"), member("b", "B", "test"), member("c", "C", "train")]
    settled = settle([], new, [(0, 2)])
    assert splits(settled) == {"mine/b": "test", "mine/c": "train"} and set(settled.left_out) == {0, 1}


def test_what_has_no_official_split_follows_what_has_one():
    settled = settle([], [member("a"), member("b", split="validation")], [(0, 1)])
    assert set(splits(settled).values()) == {"validation"} and not settled.left_out


def test_what_is_in_the_set_stays():
    old = [member("a", split="train"), member("b", split="test")]
    new = [member("c"), member("d", split="test"), member("e", split="test")]
    settled = settle(old, new, [(0, 2), (0, 3), (1, 4)])
    assert splits(settled) == {"mine/a": "train", "mine/b": "test", "mine/c": "train", "mine/e": "test"}
    assert settled.left_out == {1: "in test, but one group with a picture in train: images/mine/a.jpg"}


def test_a_picture_between_two_splits_of_the_set_is_left_out():
    old = [member("a", split="train"), member("b", split="test")]
    settled = settle(old, [member("c"), member("d")], [(0, 2), (1, 2)])
    assert settled.left_out == {0: "would join groups of two splits of the set: test and train"}
    assert groups(settled) == {"mine/a": "a", "mine/b": "b", "mine/d": "d"}


def test_of_exact_copies_the_first_stays_and_another_label_is_said():
    new = [member("a", sha="1"), member("b", sha="1"), member("c", sha="1", rash="eczema")]
    settled = settle([], new, [])
    assert settled.left_out == {
        1: "same picture as another: images/mine/a.jpg (acne)",
        2: "same picture as another, under another label: images/mine/a.jpg (acne)",
    }
    assert groups(settled) == {"mine/a": "a"}


def test_groups_stay_joined_when_more_comes():
    first = settle([], [member("a", "A"), member("b", "B", source="other")], [(0, 1)])
    old = [Member(row, f"sha {row.file_name}", own, row.split) for row, own in zip(first.rows, ("A", "B"), strict=True)]
    second = settle(old, [member("a2", "A"), member("b2", "B", source="other"), member("c", "C")], [])
    assert groups(second) == {**dict.fromkeys(("mine/a", "mine/a2", "other/b", "other/b2"), "mine:A"), "mine/c": "C"}
    assert len({splits(second)[name] for name in ("mine/a", "mine/a2", "other/b", "other/b2")}) == 1
