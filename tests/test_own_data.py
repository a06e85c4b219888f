"""Users' own captions: the CSV reader, and the page about them, whose commands run as they stand there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from finer.errors import InputError
from finer.raw.csv_captions import read_captions_csv
from suite_runs import blank_images

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```(json|csv|yaml)\n(.*?)```", PAGE, flags=re.DOTALL)[::-1])  # the first block of each kind
COMMANDS = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The files that the page shows, and photographs for them."""
    (tmp_path / "captions.jsonlines").write_text(FILES["json"])
    (tmp_path / "captions.csv").write_text(FILES["csv"])
    overlay = FILES["yaml"]
    for name in ("captions.csv", "photos"):
        overlay = overlay.replace(f" {name}", f" {tmp_path / name}")
    (tmp_path / "mine.yaml").write_text(overlay)
    blank_images(tmp_path / "photos", "mine_1.jpg", "mine_2.jpg")
    (tmp_path / "photos/mine_2.jpg").write_bytes((tmp_path / "photos/mine_1.jpg").read_bytes() + b"\0")
    return tmp_path


def run(command: str, here: Path, *more: str) -> str:
    """Run a command of the page in the project's folder, its files and results in another."""
    for name in ("captions.jsonlines", "captions.csv", "mine.yaml"):
        command = re.sub(rf"(?<=[ =]){re.escape(name)}", str(here / name), command)
    words = shlex.split(command.replace(" results/", f" {here}/results/"))
    if words[0] == "snakemake":
        results = f"results={here}/results"
        at = words.index("--config") + 1 if "--config" in words else len(words)
        words[at:at] = [results] if "--config" in words else ["--config", results]
        words[1:1] = more
    program = [sys.executable, "-m", "snakemake"] if words[0] == "snakemake" else [sys.executable]
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run([*program, *words[1:]], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_has_the_commands_that_are_run_here() -> None:
    assert [command.split(" ")[0] for command in COMMANDS] == [
        "snakemake",
        "snakemake",
        "python",
        "snakemake",
        "snakemake",
    ]


@pytest.mark.parametrize("number", [0, 1])
def test_captions_alone_become_questions(written: Path, number: int) -> None:
    run(COMMANDS[number], written)
    for setting in ("multi_obj", "multi_attr", "multi_rel", "wh"):
        lines = (written / f"results/captions/interchange/captions/{setting}.csv").read_text().splitlines()
        assert len(lines) > 2 and len(lines) % 2 == 1
    assert "skipped" in (written / "results/captions/tables/yields.captions.md").read_text()


def test_captions_with_photographs_become_a_benchmark(written: Path) -> None:
    said = run(COMMANDS[2], written)
    assert said.endswith("A run can start.\n") and "captions.csv" in said and "photos" in said
    run(COMMANDS[3], written)
    lines = (written / "results/micro/interchange/mine/multi_obj.csv").read_text().splitlines()
    assert len(lines) > 2 and lines[1].startswith("mine_")
    planned = run(COMMANDS[4], written, "-n")
    assert re.search(r"\nverify_0 +3\n", planned), planned  # the micro preset's two benchmarks, and this one
    assert f"{written}/results/micro/tables/yields.mine.csv" in planned


# ---------------------------------------------------------------- the reader
def read(folder: Path, text: str, on_bad_item: str = "stop", images: bool = True) -> object:
    (folder / "c.csv").write_bytes(text.encode() if isinstance(text, str) else text)
    blank_images(folder / "photos", "a.png")
    (folder / "photos/b.png").write_bytes((folder / "photos/a.png").read_bytes() + b"\0")
    return read_captions_csv(folder / "c.csv", folder / "photos" if images else None, "mine", on_bad_item)


GOOD = 'image,caption\na.png,"One, with ""quotes""\nand a line break."\n\nb.png,Two.\n'


def test_a_csv_is_read_with_its_images(tmp_path: Path) -> None:
    raw = read(tmp_path, "\ufeff" + GOOD.replace("\n", "\r\n"))
    assert raw.captions["example_id"].to_list() == ["a.png", "b.png"]
    assert raw.captions["text"][0].startswith('One, with "quotes"') and raw.images["width"].to_list() == [8, 8]
    assert set(raw.captions["image_id"]) == set(raw.images["image_id"]) and raw.drops.is_empty()


def test_without_a_folder_captions_alone_are_read(tmp_path: Path) -> None:
    raw = read(tmp_path, GOOD, images=False)
    assert raw.captions.height == 2 and raw.images["path"].null_count() == 2


BAD = {
    "a.png": ("line 2", "caption", "does not fit the header"),
    "a.png,one,two": ("line 2", "caption", "does not fit the header"),
    "a.png,": ("line 2", "caption", "the text is empty"),
    ",A cat.": ("line 2", "image", "the text is empty"),
    "gone.png,A cat.": ("line 2", "image", "does not exist"),
    '"a.png","A\ncat."\na.png,A dog.': ("line 4", "image", "occurs twice"),
}


@pytest.mark.parametrize("rows", BAD)
def test_a_bad_row_is_named_with_its_line_and_field_or_dropped(tmp_path: Path, rows: str) -> None:
    row, field, message = BAD[rows]
    with pytest.raises(InputError, match=message) as refused:
        read(tmp_path, f"image,caption\n{rows}\nb.png,Two.\n")
    error = refused.value
    assert str(error.file).endswith("c.csv") and error.row == row and error.field == field and error.cure
    raw = read(tmp_path, f"image,caption\n{rows}\nb.png,Two.\n", "drop")
    assert raw.drops.height == 1 and "b.png" in raw.captions["example_id"].to_list()


@pytest.mark.parametrize(
    ("text", "message"),
    [("image;caption\na.png;A cat.\n", "not the header"), ("a.png,A cat.\n", "not the header"),
     ('image,caption\na.png,"A cat.\n', "not a CSV"), ("", "empty"), ("image,caption\n", "no item"),
     ("image,caption\n../c.csv,A cat.\n", "leaves its folder"), (b"image,caption\na.png,\xe9\n", "not in UTF-8")],
)  # fmt: skip
def test_a_file_that_is_none_always_stops(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        if isinstance(text, bytes):
            (tmp_path / "c.csv").write_bytes(text)
            read_captions_csv(tmp_path / "c.csv", None, "mine", "drop")
        read(tmp_path, text, "drop")
    assert str(refused.value.file).endswith("c.csv")
