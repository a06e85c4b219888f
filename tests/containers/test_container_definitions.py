"""Definitions and the scripts that run inside a build: they take arguments, carry labels, and delete only their own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from finer.containers.recipe import KINDS, recipe
from finer.errors import InputError

CONTAINERS = Path(__file__).parents[2] / "containers"
DEFINITIONS = [CONTAINERS / f"finer-{kind}.def" for kind in KINDS]
# Folders of the image's own. The host's temporary folders, home, devices and kernel are mounted over the others.
OWN = ("/var/log/", "/var/cache/", "/var/lib/", "/opt/finer/")


def section(path: Path, name: str) -> str:
    found = re.search(rf"^%{name}\n(.*?)(?=^%|\Z)", path.read_text(), re.MULTILINE | re.DOTALL)
    assert found, f"{path} has no %{name}"
    return found[1]


def deletions(script: str) -> list[str]:
    """Everything that a script may delete: arguments of rm, and whole commands that delete in another way."""
    found = []
    for line in script.splitlines():
        code = line.split("#", 1)[0]
        for command in re.split(r"[;&|]+", code):
            words = command.split()
            if "rm" in words:
                found += [word for word in words[words.index("rm") + 1 :] if not word.startswith("-")]
            elif re.search(r"\b(rmdir|shred|unlink|truncate|mv)\b|-delete\b|rmtree", command):
                found.append(command.strip())
    return found


@pytest.mark.parametrize("path", DEFINITIONS, ids=KINDS)
def test_mirror_and_wheelhouse_are_build_arguments(path: Path) -> None:
    assert re.search(r"^MirrorURL: \{\{ mirror \}\}$", path.read_text(), re.MULTILINE)
    assert "{{ wheelhouse }}" in section(path, "post")


@pytest.mark.parametrize("path", DEFINITIONS, ids=KINDS)
def test_labels_carry_version_and_lock_hash(path: Path) -> None:
    labels = dict(line.split() if "{" not in line else line.strip().split(" ", 1)
                  for line in section(path, "labels").splitlines() if line.strip())  # fmt: skip
    assert labels["org.finer.version"] == "{{ version }}" and labels["org.finer.lock"] == "{{ lock }}"


@pytest.mark.parametrize("path", DEFINITIONS, ids=KINDS)
def test_the_test_section_runs_the_smoke_check(path: Path) -> None:
    assert "smoke.py" in section(path, "test")


def test_both_images_differ_only_in_what_they_are_for() -> None:
    cpu, gpu = (section(path, "post") + section(path, "files") for path in DEFINITIONS)
    assert cpu == gpu


@pytest.mark.parametrize("path", [*DEFINITIONS, CONTAINERS / "prepare.sh", CONTAINERS / "licences.py"], ids=str)
def test_a_build_deletes_only_in_folders_of_the_image(path: Path) -> None:
    script = section(path, "post") if path.suffix == ".def" else path.read_text()
    for target in deletions(script):
        assert target.startswith(OWN) and ".." not in target and not re.search(r"[*?$]", target), target


@pytest.mark.parametrize(
    "line",
    ["rm -rf /tmp/*", "cd /tmp && rm -f x", "find /var/tmp -delete", 'rm -rf "$HOME"/.cache', "rm -r /var/log/$x"],
)
def test_the_guard_against_deletions_sees_them(line: str) -> None:
    assert any(not target.startswith(OWN) or "$" in target for target in deletions(line))


@pytest.mark.parametrize("script", ["apptainer.sh", "prepare.sh"])
def test_scripts_are_valid_bash(script: str) -> None:
    subprocess.run(["bash", "-n", str(CONTAINERS / script)], check=True)


def test_every_file_of_a_recipe_is_copied_or_is_the_definition() -> None:
    for kind in KINDS:
        one = recipe(kind, CONTAINERS)
        copied = section(one.definition, "files")
        for path in one.files[1:]:
            assert ("requirements.lock" if path == one.requirements else path.name) in copied


def test_an_unknown_image_is_an_error_with_a_cure() -> None:
    with pytest.raises(InputError, match=r"cpu \| gpu"):
        recipe("tpu", CONTAINERS)
