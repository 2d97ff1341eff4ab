import torch

from training import checkpoint


def test_newest_whole_checkpoint_wins(tmp_path):
    assert checkpoint.latest(tmp_path / "none") is None
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, step * 1.5, {"w": torch.full((2,), float(step))})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["00000002", "00000003"]
    (tmp_path / "00000003" / "state.pt").write_bytes(b"damaged")
    manifest, state = checkpoint.latest(tmp_path)
    assert manifest["step"] == 2 and manifest["seconds"] == 3.0
    assert state["w"].tolist() == [2, 2]


def test_one_that_was_not_finished_is_passed_over(tmp_path):
    checkpoint.save(tmp_path, 1, 0.0, {"w": torch.zeros(1)})
    (tmp_path / "00000002").mkdir()
    (tmp_path / "00000002" / "state.pt").write_bytes(b"half")
    (tmp_path / ".00000003.77").mkdir()
    assert checkpoint.latest(tmp_path)[0]["step"] == 1
