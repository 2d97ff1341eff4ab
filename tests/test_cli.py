"""The console command: what goes in by the keyboard or a pipe, what comes out, and how it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import script2skin
from assistant.schema import Turn
from generation import read_request
from tests.models import write_classifier

runner = CliRunner()


def run(*arguments: object, stdin: bytes | str = ""):
    return runner.invoke(script2skin.app, [str(argument) for argument in arguments], input=stdin)


def in_new_process(*arguments: str, stdin: bytes = b"", code: str = "") -> subprocess.CompletedProcess:
    program = f"import sys, script2skin\ntry: script2skin.main()\nfinally: {code or 'pass'}"
    return subprocess.run([sys.executable, "-c", program, *arguments], input=stdin, capture_output=True, check=False, env=os.environ)


# ── help ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", [(), ("app",), ("chat",), ("generate",), ("parse",)])
def test_help_shows_every_option_and_an_example(command: tuple[str, ...]) -> None:
    result = run(*command, "--help")
    assert result.exit_code == 0
    if command in [(), ("chat",), ("generate",)]:
        assert "script2skin " in result.output.split("Options:")[0].split("\n", 2)[2]


def test_help_and_version_load_nothing_heavy() -> None:
    code = "print('HEAVY', *{'torch', 'spacy', 'streamlit', 'diffusers', 'numpy'} & set(sys.modules))"
    for argument in ("--help", "--version"):
        done = in_new_process(argument, code=code)
        assert done.returncode == 0 and done.stdout.decode().splitlines()[-1].strip() == "HEAVY", done.stdout


def test_other_rooms_commands_are_handed_their_arguments() -> None:
    result = run("data", "--help")
    assert result.exit_code == 0 and "script2skin data" in result.output


# ── chat ────────────────────────────────────────────────────────────────────────────────────────────────────────

LINES = ["two images of eczema on the elbow, fair skin", "now on black skin", "what can you do?", "undo", "start over"]


def test_dry_run_answers_each_line_with_one_turn_and_no_torch() -> None:
    code = "print('torch' in sys.modules, file=sys.stderr)"
    done = in_new_process("chat", "--json", "--dry-run", stdin="\n".join(LINES).encode(), code=code)
    turns = [Turn.model_validate_json(line) for line in done.stdout.splitlines()]
    assert [turn.act for turn in turns] == ["generate", "generate", "answer", "undo", "reset"]
    assert [turn.requests[0].tone for turn in turns[:2]] == ["fair", "black"]
    assert turns[0].requests[0].seed == turns[1].requests[0].seed
    assert done.stderr.decode().strip() == "False" and done.returncode == 0


def test_any_bytes_on_standard_input_are_answered_and_the_conversation_goes_on() -> None:
    bad = [b"", b"\xff\xfe\x00\x01", b"\xef\xbb\xbfeczema on the elbow\r", b"<script>alert(1)</script> *a* \x1b[2J", b"x" * 100_000]
    result = run("chat", "--json", "--dry-run", stdin=b"\n".join([*bad, b"two images of eczema on the neck, fair skin"]))
    turns = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(turns) == len(bad) + 1 and result.exit_code == 0
    assert turns[2]["requests"][0]["rash"] == "eczema" and turns[3]["requests"] == []
    assert turns[-1]["act"] == "generate" and turns[-1]["requests"][0]["count"] == 2


def test_the_same_seed_and_sentences_give_the_same_turns() -> None:
    one, two, other = (
        run("chat", "--json", "--dry-run", "--seed", seed, stdin="\n".join(LINES)).stdout for seed in (5, 5, 6)
    )
    assert one == two != other


def test_chat_draws_saves_and_lists_its_images(tiny_model: Path, tmp_path: Path) -> None:
    arguments = ["chat", "--json", "--model", tiny_model, "--steps", 1, "--out", tmp_path]
    result = run(*arguments, stdin="two images of eczema on the elbow, fair skin\nhello\nnow on black skin\n")
    turns = [json.loads(line) for line in result.stdout.splitlines()]
    assert [len(turn["images"]) for turn in turns] == [2, 0, 2]
    for turn in turns:
        for image in turn["images"]:
            request, index = read_request(Path(image["file"]))
            assert request.model_dump() == turn["requests"][image["request"]] and index == image["index"]


def test_chat_for_people_prints_reply_and_paths(tiny_model: Path, tmp_path: Path) -> None:
    result = run("chat", "--model", tiny_model, "--steps", 1, "--out", tmp_path, "--seed", 3, stdin="acne on the chin, \x1b[31mfair skin\n")
    assert "acne" in result.stdout and "\x1b" not in result.stdout and "**" not in result.stdout
    assert f"{tmp_path}/acne_chin_fair_0000000003.png" in result.stdout


def test_chat_goes_on_without_a_model(tmp_path: Path) -> None:
    result = run("chat", "--json", "--model", tmp_path / "none", "--out", tmp_path, stdin="acne on the chin, fair\nundo\n")
    turns = [json.loads(line) for line in result.stdout.splitlines()]
    assert "no model folder" in turns[0]["error"] and turns[0]["images"] == []
    assert turns[1]["act"] == "undo" and turns[1]["error"] is None and result.exit_code == 0


# ── generate ────────────────────────────────────────────────────────────────────────────────────────────────────


def generate(tiny_model: Path, out: Path, text: str, *more: object):
    return run("generate", text, "--out", out, "--model", tiny_model, "--steps", 1, *more)


def test_generate_writes_pictures_sidecars_and_a_manifest(tiny_model: Path, tmp_path: Path) -> None:
    from data import manifest

    result = generate(tiny_model, tmp_path, "2 images each of acne on the chin, brown and black", "--seed", 7)
    assert result.exit_code == 0, result.output
    paths = [Path(line) for line in result.stdout.splitlines()]
    assert len(paths) == 4 and all(path.exists() and path.with_suffix(".json").exists() for path in paths)
    rows = manifest.read(tmp_path)
    assert [row.tone for row in rows] == ["black", "black", "brown", "brown"]
    assert {row.file_name for row in rows} == {path.name for path in paths}
    assert all(row.text == read_request(tmp_path / row.file_name)[0].caption for row in rows)


def test_generate_puts_all_on_a_sheet(tiny_model: Path, tmp_path: Path) -> None:
    result = generate(tiny_model, tmp_path / "out", "2 images each of acne on the chin, brown and black", "--sheet", tmp_path / "new" / "sheet.png")
    assert result.exit_code == 0, result.output
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        assert sheet.width == 4 * 260, "four in a row"
    bad = generate(tiny_model, tmp_path / "out", "acne on the chin", "--sheet", tmp_path / "sheet.odd")
    assert bad.exit_code == 1 and "could not be written" in bad.output and "The images are in" in bad.output


def test_prepare_says_what_will_draw(tiny_model: Path) -> None:
    assert "is ready; it is drawn by torch" in run("prepare", "--model", tiny_model).output
    assert run("prepare", "--model", tiny_model / "nothing").exit_code == 1


def test_generate_again_draws_nothing_new_and_lists_nothing_twice(tiny_model: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert generate(tiny_model, tmp_path, "2 images of acne on the chin, brown", "--seed", 7).exit_code == 0
        stamps = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("acne*")}
        manifest = (tmp_path / "metadata.jsonl").read_text()
    assert generate(tiny_model, tmp_path, "2 images of acne on the chin, brown", "--seed", 7).exit_code == 0
    assert stamps == {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("acne*")}
    assert manifest == (tmp_path / "metadata.jsonl").read_text() and manifest.count("\n") == 2


def test_generate_draws_more_than_the_chat_would(tiny_model: Path, tmp_path: Path) -> None:
    result = generate(tiny_model, tmp_path, "acne on the chin, brown and black", "--count", 21, "--json")
    answer = json.loads(result.stdout)
    assert [request["count"] for request in answer["requests"]] == [11, 10]
    assert len(answer["images"]) == 21 and answer["error"] is None
    assert len(list(tmp_path.glob("*.png"))) == 21


def test_a_question_or_refusal_ends_with_two(tiny_model: Path, tmp_path: Path) -> None:
    result = generate(tiny_model, tmp_path / "out", "three images on fair skin")
    assert result.exit_code == 2 and result.stdout == "" and "?" in result.stderr
    answer = generate(tiny_model, tmp_path / "out", "a picture of a car", "--json")
    assert answer.exit_code == 2 and json.loads(answer.stdout)["act"] in ("clarify", "refuse")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--model", "nowhere/at/all"], "no model folder"),
        (["--model", "sd15"], "downloads are off"),
        (["--steps", "0"], "must be from 1 to 1000"),
        (["--guidance", "99"], "must be from 0 to 30"),
        (["--count", "1"], "cannot be shared out"),
        (["--lora", "nothing.safetensors"], "no LoRA adapter 'nothing.safetensors'"),
        (["--text-encoder", "nothing"], "no text encoder folder 'nothing'"),
        (["--text-encoder", "embedded"], "width 256, but tiny expects 32"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_no_traceback(tiny_model: Path, tmp_path: Path, more: list[str], words: str) -> None:
    result = generate(tiny_model, tmp_path, "acne on the chin, brown and black", *more)
    assert result.exit_code == 1 and words in result.stderr
    assert "Traceback" not in result.output and (result.exception is None or isinstance(result.exception, SystemExit))


def test_pictures_that_may_pass_for_another_condition_are_said_so(tiny_model: Path, tmp_path: Path) -> None:
    model = write_classifier(Path(shutil.copytree(tiny_model, tmp_path / "model")), sees="acne")
    result = generate(model, tmp_path / "out", "2 images of eczema on the chin, brown", "--json")
    assert result.exit_code == 0 and "2 of 2 images may pass for acne" in result.stderr
    assert [image["seen_rash"]["rash"] for image in json.loads(result.stdout)["images"]] == ["acne", "acne"]
    as_asked = generate(model, tmp_path / "out", "an image of acne on the chin, brown")
    assert as_asked.exit_code == 0 and "may pass" not in as_asked.stderr


@pytest.mark.parametrize("command", ["generate", "chat"])
def test_a_text_encoder_and_an_adapter_go_beside_the_model(tiny_model: Path, tmp_path: Path, command: str) -> None:
    from tests.generation.test_lora import save_adapter

    shutil.copytree(tiny_model, tmp_path / "tuned/final")
    save_adapter(tiny_model, tmp_path / "lora/final/lora")
    parts = ["--text-encoder", tmp_path / "tuned", "--lora", tmp_path / "lora", "--lora-scale", 0.5]
    if command == "generate":
        result = generate(tiny_model, tmp_path / "out", "acne on the chin, brown", *parts)
    else:
        result = run("chat", "--model", tiny_model, "--steps", 1, "--out", tmp_path / "out", *parts, stdin="acne on the chin, brown skin\n")
    assert result.exit_code == 0, result.output
    (sidecar,) = (tmp_path / "out").glob("*.json")
    model = json.loads(sidecar.read_text())["model"]
    assert model["lora_scale"] == 0.5 and len(model["text_encoder_sha256"]) == len(model["lora_sha256"]) == 64


def test_a_folder_that_cannot_be_written_is_one_sentence(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = generate(tiny_model, tmp_path / "file", "acne on the chin, brown")
    assert result.exit_code == 1 and "a file is in the way" in result.stderr


def test_a_folder_with_a_broken_manifest_keeps_it(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "metadata.jsonl").write_text("not a row\n")
    result = generate(tiny_model, tmp_path, "acne on the chin, brown")
    assert result.exit_code == 1 and "metadata.jsonl, line 1" in result.stderr
    assert (tmp_path / "metadata.jsonl").read_text() == "not a row\n" and list(tmp_path.glob("*.png"))


def test_ctrl_c_keeps_what_is_drawn_and_says_how_to_go_on(tiny_model: Path, tmp_path: Path) -> None:
    program = "import script2skin; script2skin.main()"
    arguments = ["generate", "900 images of acne on the chin, brown", "--out", tmp_path, "--model", tiny_model, "--steps", "20", "--seed", "5"]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    assert process.stdout.readline().strip().endswith("acne_chin_brown_0000000005.png")
    process.send_signal(signal.SIGINT)
    printed, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "--seed 5 goes on from here" in said and "Traceback" not in said
    pictures = sorted(tmp_path.glob("*.png"))
    assert len(pictures) == 1 + printed.count("\n") < 900
    assert (tmp_path / "metadata.jsonl").read_text().count("\n") == len(pictures)


def test_a_reader_that_leaves_early_is_no_error() -> None:
    program = f"{sys.executable} -c 'import script2skin; script2skin.main()' chat --json --dry-run | head -n 1"
    done = subprocess.run(program, shell=True, input=b"hello\n" * 50, capture_output=True, check=False)
    assert done.stdout.count(b"\n") == 1 and b"Traceback" not in done.stderr and b"Error" not in done.stderr


# ── parse ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_parse_shows_what_was_read() -> None:
    read = json.loads(run("parse", "two images of eczema on the neck, fair skin", "--json").stdout)
    assert read["intent"] == "request" and read["patches"] == [
        {"rash": ["eczema"], "area": ["neck"], "tone": ["fair"], "count": 2}
    ]
    assert 'patch 1: {"rash": ["eczema"]' in run("parse", "two images of eczema on the neck, fair skin").stdout


def test_app_starts_the_page_without_streamlits_own_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    from streamlit.web import cli
    from typer.testing import CliRunner

    import script2skin

    started: list[list[str]] = []
    monkeypatch.setattr(cli, "main", lambda arguments, **_: started.append(arguments))
    monkeypatch.setattr(script2skin, "_load_ahead", lambda *_: None)
    shown = CliRunner().invoke(script2skin.app, ["app", "--port", "8123"])
    assert shown.exit_code == 0 and "http://localhost:8123" in shown.output
    assert {"--logger.hideWelcomeMessage=true", "--browser.gatherUsageStats=false", "--server.port=8123"} <= set(started[0])
