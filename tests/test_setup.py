"""The two commands stand as the README says them, and what they install is pinned."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def direct_dependencies() -> list[Requirement]:
    declared = project()
    extras = [line for lines in declared["optional-dependencies"].values() for line in lines]
    requirements = [Requirement(line) for line in declared["dependencies"] + extras]
    return [r for r in requirements if canonicalize_name(r.name) != "script2skin"]


def pins() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):(?!=)", (ROOT / "Makefile").read_text(), re.M))


def tracked() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_every_direct_dependency_has_one_tested_version(python):
    environment = {"python_version": python}
    pinned: dict[str, list[Requirement]] = {}
    for pin in pins():
        if pin.marker is None or pin.marker.evaluate(environment):
            pinned.setdefault(canonicalize_name(pin.name), []).append(pin)
    twice = {name for name, found in pinned.items() if len(found) > 1}
    assert not twice
    for requirement in direct_dependencies():
        (pin,) = pinned[canonicalize_name(requirement.name)]
        (exact,) = pin.specifier
        assert exact.operator == "==", pin
        assert requirement.specifier.contains(exact.version, prereleases=True), f"{pin} does not fit {requirement}"


def test_pins_name_no_place_and_no_build():
    text = (ROOT / "constraints.txt").read_text()
    assert "torch==2.13.0\n" in text
    assert "://" not in text
    assert not [pin for pin in pins() if pin.url or any("+" in s.version for s in pin.specifier)]
    assert {str(pin.marker) for pin in pins() if pin.marker} <= {str(Marker(f'python_version {o} "3.11"')) for o in (">=", "<")}


def test_commands_of_the_readme_exist():
    used = set(re.findall(r"\bmake (?:[A-Z_]+=\S+ )*([a-z]+)\b", "\n".join(_code(ROOT / "README.md"))))
    assert {"app", "test"} <= used
    assert used <= targets()


def test_ci_runs_the_same_tests():
    script = (ROOT / ".ci" / "run").read_text()
    assert script.rstrip().endswith("make test")
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o100


def test_make_says_what_is_wrong_with_an_old_python(tmp_path):
    make = shutil.which("make") or pytest.skip("no make here")
    old = tmp_path / "python-old"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    command = [make, "-s", "app", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode != 0
    assert "Python 3.10 or newer is needed" in result.stdout
    assert not (tmp_path / "venv").exists()


def test_licence_is_apache():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text and "Version 2.0, January 2004" in text and "END OF TERMS AND CONDITIONS" in text
    assert project()["license"] == "Apache-2.0"


def test_no_path_of_one_machine_in_the_files():
    # put together here so that this file does not find itself
    forbidden = re.compile("|".join(["/" + "work/", "/" + "root/", "/" + r"home/\w+/", r"C:\\" + "Users"]))
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:  # pictures, weights
            continue
        found += [f"{path.relative_to(ROOT)}: {line.strip()[:80]}" for line in text.splitlines() if forbidden.search(line)]
    assert not found


def test_only_weights_are_large():
    large = [p for p in tracked() if p.stat().st_size > 16 * 2**20 and p.suffix != ".safetensors"]
    assert not large


def test_nothing_phones_home():
    config = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    assert config["browser"]["gatherUsageStats"] is False
    assert config["logger"]["hideWelcomeMessage"] is True, "else the page offers to install things for developers"


def _code(path: Path) -> list[str]:
    return re.findall(r"^```\w*\n(.*?)^```", path.read_text(), re.M | re.S) + re.findall(r"`(make [^`]+)`", path.read_text())
