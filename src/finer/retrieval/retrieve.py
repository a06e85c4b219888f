"""A source of the registry -> its files and folders under the folder of all data: the only part that uses the network.

What is fetched waits in ``.retrieving/<source>/got`` until all of it is there and converted; then the results are
moved into place. So a killed run goes on where it was, and no reader ever sees half a source. ``locks/<source>.json``
records hashes, commits and counts of the first retrieval; later ones must bring the same.

A file can also be had by hand: one of its name in ``by_hand/<source>`` is taken in place of the address.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from finer.errors import InputError
from finer.raw.addresses import cached_name
from finer.raw.pixmo import image_name
from finer.retrieval.convert import Place, convert, found, is_cache, link
from finer.retrieval.counting import count_images, count_rows
from finer.retrieval.download import Checks, Patience, digest, download, faults
from finer.retrieval.hub import snapshot
from finer.retrieval.sources import Addresses, Git, Hub, Source, Web, source_of
from finer.retrieval.web_images import BRIEF, fetch_images
from finer.schemas import DROPS
from finer.store import table_from, write_table, write_text

BY_HAND, LOCKS, WORK = "by_hand", "locks", ".retrieving"
MODEL_FILES = ["*.safetensors", "*.json", "*.txt", "*.jinja", "*.model"]  # no code, no pickle


@dataclass
class Lock:
    """What the first retrieval brought: file -> sha256, repository -> commit, and what was counted."""

    files: dict[str, str] = field(default_factory=dict)
    commits: dict[str, str] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    dropped: int = 0

    @staticmethod
    def read(file: Path) -> Lock:
        """Return the lock of a source; an empty one if nothing was retrieved yet."""
        if not file.is_file():
            return Lock()
        try:
            return Lock(**json.loads(file.read_text(encoding="utf-8")))
        except (json.JSONDecodeError, TypeError) as error:
            raise InputError("not a lock file", file=file, found=str(error), expected="as written by `retrieve`",
                             cure="delete it to accept what comes next") from error  # fmt: skip

    def write(self, file: Path) -> None:
        """Write the lock atomically."""
        write_text(file, json.dumps(vars(self), indent=1, sort_keys=True) + "\n")


def lock_file(data: Path, name: str) -> Path:
    """Return where the lock of a source is."""
    return data / LOCKS / f"{name}.json"


def retrieve(
    name: str, data: str | Path, source: Source | None = None, patience: Patience | None = None,
    brief: Patience = BRIEF,
) -> None:  # fmt: skip
    """Fetch, convert, count and place a source.

    Args:
        data: the folder of all sources.
        source: its entry; None: that of the registry.
        patience: with servers; ``brief``: with those of single images.

    Raises:
        InputError: something cannot be had, is not what it should be, or is not what came before; nothing is placed.
    """
    data, source, patience = Path(data), source or source_of(name), patience or Patience()
    place = Place(data / WORK / name / "got", data / WORK / name / "made", data)
    before = Lock.read(lock_file(data, name))
    now = Lock()
    place.got.mkdir(parents=True, exist_ok=True)
    _refuse_missing_needs(source, data)
    for part in source.fetch:
        if isinstance(part, Hub):
            now.commits[part.hub] = snapshot(part, place.got, before.commits.get(part.hub))
        else:
            for file in part.web() if isinstance(part, Git) else [part]:
                _fetch(file, name, data, place.got, patience)
    now.files = _compared(place.got, before, lock_file(data, name))
    shutil.rmtree(place.made, ignore_errors=True)
    place.made.mkdir()
    for step in source.steps:
        if isinstance(step, Addresses):
            now.dropped += _images(step, name, place, brief)
        else:
            convert(step, place)
    _count(source, place.made, now)
    _publish(source, name, data, place)
    now.write(lock_file(data, name))
    shutil.rmtree(place.got.parent)


def retrieve_model(repo: str, revision: str, out: str | Path) -> None:
    """Fetch a checkpoint: safetensors and configuration files only, no code, no pickle.

    The lock stands beside the folder: ``<out>.lock.json``.
    """
    folder = Path(out)
    lock = folder.with_name(f"{folder.name}.lock.json")
    work = folder.parent / WORK / folder.name
    before = Lock.read(lock)
    wanted = Hub(hub=repo, kind="model", revision=revision, files=MODEL_FILES)
    work.mkdir(parents=True, exist_ok=True)
    commit = snapshot(wanted, work, before.commits.get(repo))
    now = Lock(files=_compared(work, before, lock), commits={repo: commit})
    shutil.rmtree(work / ".cache", ignore_errors=True)
    write_text(work / "revision.txt", f"{repo}@{commit}\n")
    if folder.is_dir():
        shutil.rmtree(folder)
    work.replace(folder)
    now.write(lock)


def hand_folder(data: Path, name: str) -> Path:
    """Return the folder into which files that were fetched by hand are put."""
    return data / BY_HAND / name


def _refuse_missing_needs(source: Source, data: Path) -> None:
    for need in source.needs:
        files, folders = source_of(need).outputs(need)
        for path in (*files, *folders):
            if not (data / path).exists():
                raise InputError("another source is needed first", file=data / path, expected=f"the source '{need}'",
                                 cure=f"retrieve '{need}' first")  # fmt: skip


def _fetch(file: Web, name: str, data: Path, got: Path, patience: Patience) -> None:
    """Bring one file into ``got``: it is there, or was put there by hand, or comes from its address."""
    target, checks = got / file.file, Checks(file.size, file.sha256, file.md5)
    hand = hand_folder(data, name) / file.file
    cure = f"get the file {f'from {file.page} ' if file.page else ''}by hand and put it at {hand}"
    if hand.is_file():
        if (fault := faults(hand, checks)) is not None:
            raise InputError("the file put there by hand is another", file=hand, found=fault[0], expected=fault[1],
                             cure=cure)  # fmt: skip
        target.unlink(missing_ok=True)
        link(hand, target)
    elif target.is_file():
        return
    elif file.address is None:
        raise InputError("this file is only to be had in a browser", file=hand, found="no such file",
                         expected=f"{file.file} of {file.page}", cure=cure)  # fmt: skip
    else:
        print(f"retrieving {file.address}", file=sys.stderr, flush=True)
        download(file.address, target, checks, patience, cure)


def _compared(got: Path, before: Lock, lock: Path) -> dict[str, str]:
    """Return the hash of each file; refuse, and remove, one that differs from the first retrieval's."""
    hashes: dict[str, str] = {}
    for file in sorted(path for path in got.rglob("*") if path.is_file() and not is_cache(path, got)):
        name = file.relative_to(got).as_posix()
        hashes[name] = digest(file)
        locked = before.files.get(name, hashes[name])
        if hashes[name] != locked:
            file.unlink()
            raise InputError(
                "the file is not the one retrieved before", file=name, found=f"sha256 {hashes[name]}",
                expected=f"sha256 {locked}, as in {lock}",
                cure=f"if the new version is wanted, delete {lock}: results then differ from those made before",
            )  # fmt: skip
    if gone := sorted(set(before.files) - set(hashes)):
        raise InputError("a file of the first retrieval is missing now", file=lock, found=f"no {gone[0]}",
                         expected=gone[0], cure=f"if the new version is wanted, delete {lock}")  # fmt: skip
    return hashes


def _images(step: Addresses, name: str, place: Place, brief: Patience) -> int:
    """Fetch the images of a column of addresses; return how many cannot be had.

    They are kept outside of ``made``, which is made anew at every start.
    """
    table = found(step.addresses, place.made)[0]
    read = pl.read_parquet if table.suffix == ".parquet" else pl.read_csv
    urls = read(table, columns=[step.column])[step.column].drop_nulls().unique(maintain_order=True).to_list()
    kept = place.got.parent / "images"
    drops = fetch_images(urls, image_name if step.lower else cached_name, kept, name, brief)
    for file in sorted(kept.iterdir()):
        link(file, place.made / step.to / file.name)
    write_table(table_from(drops, DROPS), DROPS, place.made / "drops.parquet")
    print(f"{name}: {len(urls) - len(drops)} of {len(urls)} images, {len(drops)} cannot be had", file=sys.stderr)
    return len(drops)


def _count(source: Source, made: Path, now: Lock) -> None:
    """Count rows and images; what is expected must be there, what is believed is compared aloud."""
    for sure, counts in ((True, source.expected), (False, source.believed)):
        for where, wanted in counts.rows.items():
            now.rows[where] = count_rows(made, where)
            _compare(now.rows[where], wanted, "rows", made / where, sure)
        for where, wanted in counts.images.items():
            now.images[where] = count_images(made / where)
            missing = now.dropped if any(isinstance(step, Addresses) for step in source.steps) else 0
            _compare(now.images[where] + missing, wanted, "images", made / where, sure)


def _compare(number: int, wanted: int, what: str, where: Path, sure: bool) -> None:
    if number == wanted:
        return
    if sure:
        raise InputError(f"not as many {what} as were released", file=where, found=f"{number} {what}",
                         expected=f"{wanted} {what}", cure="start again; else the release was changed")  # fmt: skip
    print(f"note: {where.name}: {number} {what}; believed, but never checked: {wanted}", file=sys.stderr)


def _publish(source: Source, name: str, data: Path, place: Place) -> None:
    """Move what was made into place."""
    relative = [*source.files, *source.folders]
    if lost := [path for path in relative if not (place.made / path).exists()]:
        raise InputError("the release does not hold what it should", file=place.made, found=f"no {lost[0]}",
                         expected=", ".join(relative), cure="correct this source in the registry")  # fmt: skip
    for path in relative:
        target: Any = data / name if path == "." else data / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            shutil.rmtree(target)
        (place.made / path).replace(target)
