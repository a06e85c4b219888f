"""Retrieval by the registry: nothing half placed, nothing outside its folder, the same again or a refusal."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from file_server import COMMIT, Loopback, serving
from finer.errors import InputError
from finer.preferences.sharegpt import import_sharegpt
from finer.queries.interchange import import_interchange
from finer.raw.pixmo import image_name, read_pixmo
from finer.retrieval.download import Patience
from finer.retrieval.overview import overview
from finer.retrieval.retrieve import Lock, hand_folder, lock_file, retrieve, retrieve_model
from finer.retrieval.sources import Counts, Hub, Move, Source, Unpack, Web, needed, registry
from finer.schemas import DROPS
from finer.store import read_table

ROOT = Path(__file__).parents[1]
QUICK = Patience(attempts=3, pause=0.01, longest_pause=0.02, silence=5.0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    with serving() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield running


def picture(color: int = 0) -> bytes:
    content = io.BytesIO()
    Image.new("RGB", (8, 8), (color, 10, 10)).save(content, "PNG")
    return content.getvalue()


def zipped(*members: tuple[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members:
            archive.writestr(name, data)
    return content.getvalue()


def tarred(*members: tuple[str, bytes], mode: str = "w:gz") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("images/link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return content.getvalue()


def source(server: Loopback, step: object = None, **values: object) -> Source:
    """A source of one archive ``a.zip`` whose images become the folder ``images``."""
    fetch = [Web(file="a.zip", address=f"{server.address}/a.zip", page="https://example.org/a")]
    given = {"fetch": fetch, "steps": [step or Unpack(unpack="a.zip", to="images")], "folders": ["images"]}
    return Source(**{"title": "A", "licence": "none", **given, **values})


def run(entry: Source, data: Path) -> None:
    retrieve("a", data, entry, QUICK, QUICK)


def placed(data: Path) -> list[str]:
    """Everything that a reader could see."""
    return sorted(
        path.relative_to(data).as_posix() for path in data.rglob("*")
        if path.is_file() and path.relative_to(data).parts[0] not in (".retrieving", "locks", "by_hand")
    )  # fmt: skip


# ---------------------------------------------------------------- archives
def test_an_archive_is_unpacked_flat_and_links_are_left_out(server: Loopback, tmp_path: Path) -> None:
    server.files["/a.zip"] = tarred(("images/1.jpg", b"one"), ("readme.txt", b"no"), ("../../2.jpg", b"two"))
    run(source(server), tmp_path / "data")
    assert placed(tmp_path / "data") == ["a/images/1.jpg", "a/images/2.jpg"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


@pytest.mark.parametrize("make", [zipped, tarred])
@pytest.mark.parametrize("name", ["../../b.jpg", "/b.jpg", "a\\b.jpg"])
def test_a_member_that_leaves_its_folder_is_refused(server: Loopback, tmp_path: Path, name: str, make: object) -> None:
    server.files["/a.zip"] = make(("1.jpg", b"one"), (name, b"two"))
    with pytest.raises(InputError, match="leaves its folder"):
        run(source(server, Unpack(unpack="a.zip", to="images", flat=False)), tmp_path / "data")
    assert placed(tmp_path / "data") == [] and not (tmp_path / "b.jpg").exists()


def test_two_members_of_one_name_are_refused(server: Loopback, tmp_path: Path) -> None:
    server.files["/a.zip"] = zipped(("x/1.jpg", b"one"), ("y/1.jpg", b"two"))
    with pytest.raises(InputError, match="would become one file"):
        run(source(server), tmp_path / "data")
    assert placed(tmp_path / "data") == []


@pytest.mark.parametrize("content", [b"<!DOCTYPE html><html>", zipped(("1.jpg", b"one"))[:40]])
def test_a_page_in_place_of_an_archive_says_so(server: Loopback, tmp_path: Path, content: bytes) -> None:
    server.files["/a.zip"] = content
    with pytest.raises(InputError, match="not a whole archive"):
        run(source(server), tmp_path / "data")
    assert placed(tmp_path / "data") == []


# ---------------------------------------------------------------- counts, locks, resuming
def test_too_few_images_are_refused_and_believed_counts_are_said(
    server: Loopback, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.files["/a.zip"] = zipped(("1.jpg", b"one"))
    with pytest.raises(InputError, match="not as many images"):
        run(source(server, expected=Counts(images={"images": 2})), tmp_path / "data")
    assert placed(tmp_path / "data") == [] and not lock_file(tmp_path / "data", "a").exists()
    run(source(server, believed=Counts(images={"images": 2})), tmp_path / "data")
    assert "1 images; believed, but never checked: 2" in capsys.readouterr().err
    assert placed(tmp_path / "data") == ["a/images/1.jpg"]


def test_what_has_arrived_is_not_fetched_again(server: Loopback, tmp_path: Path) -> None:
    server.files["/a.zip"] = zipped(("1.jpg", b"one"))
    fetch = [Web(file=name, address=f"{server.address}/{name}") for name in ("a.zip", "b.zip")]
    with pytest.raises(InputError, match="HTTP 404"):
        run(source(server, fetch=fetch), tmp_path / "data")
    server.files["/b.zip"] = zipped(("2.jpg", b"two"))
    run(source(server, Unpack(unpack="*.zip", to="images"), fetch=fetch), tmp_path / "data")
    assert [path for path, _ in server.asked] == ["/a.zip", "/b.zip", "/b.zip"]
    assert placed(tmp_path / "data") == ["a/images/1.jpg", "a/images/2.jpg"]
    assert not (tmp_path / "data/.retrieving/a").exists()


def test_a_file_that_changed_at_its_source_is_refused_until_the_lock_goes(server: Loopback, tmp_path: Path) -> None:
    data = tmp_path / "data"
    server.files["/a.zip"] = zipped(("1.jpg", b"one"))
    run(source(server), data)
    before = lock_file(data, "a").read_bytes()
    run(source(server), data)
    assert lock_file(data, "a").read_bytes() == before
    server.files["/a.zip"] = zipped(("1.jpg", b"another"))
    with pytest.raises(InputError, match="not the one retrieved before") as refused:
        run(source(server), data)
    assert str(lock_file(data, "a")) in str(refused.value.cure)
    assert (data / "a/images/1.jpg").read_bytes() == b"one"  # what was there stays
    lock_file(data, "a").unlink()
    run(source(server), data)
    assert (data / "a/images/1.jpg").read_bytes() == b"another"


# ---------------------------------------------------------------- by hand
def test_a_file_put_there_by_hand_is_taken(server: Loopback, tmp_path: Path) -> None:
    hand = hand_folder(tmp_path, "a") / "a.zip"
    entry = source(server, fetch=[Web(file="a.zip", page="https://example.org/form")])
    with pytest.raises(InputError, match="only to be had in a browser") as refused:
        run(entry, tmp_path)
    assert "https://example.org/form" in str(refused.value.cure) and str(hand) in str(refused.value.cure)
    hand.parent.mkdir(parents=True)
    hand.write_bytes(zipped(("1.jpg", b"one")))
    run(entry, tmp_path)
    assert placed(tmp_path) == ["a/images/1.jpg"] and hand.is_file() and server.asked == []


def test_another_file_put_there_by_hand_is_refused(server: Loopback, tmp_path: Path) -> None:
    hand = hand_folder(tmp_path, "a") / "a.zip"
    hand.parent.mkdir(parents=True)
    hand.write_bytes(b"something else")
    with pytest.raises(InputError, match="put there by hand is another"):
        run(source(server, fetch=[Web(file="a.zip", page="p", sha256="0" * 64)]), tmp_path)


# ---------------------------------------------------------------- hubs
HUB = {"fetch": [Hub(hub="me/data", files=["*.jpg"], leave=["no/*"])], "steps": [Move(move="**/*.jpg", to="images")]}


def test_a_hub_repository_is_fetched_at_the_commit_of_its_branch(server: Loopback, tmp_path: Path) -> None:
    server.add_hub("me/data", {"x/1.jpg": b"one", "2.jpg": b"two", "no/3.jpg": b"three", "code.py": b"import os"})
    run(source(server, **HUB), tmp_path)
    assert placed(tmp_path) == ["a/images/1.jpg", "a/images/2.jpg"]
    assert Lock.read(lock_file(tmp_path, "a")).commits == {"me/data": COMMIT}
    fetched = [path for path, _ in server.asked if "/resolve/" in path]
    assert len(fetched) == 2 and all(f"/resolve/{COMMIT}/" in path for path in fetched)


def test_later_retrievals_take_the_locked_commit(server: Loopback, tmp_path: Path) -> None:
    server.add_hub("me/data", {"1.jpg": b"one"})
    run(source(server, **HUB), tmp_path)
    server.add_hub("me/data", {"1.jpg": b"moved on"}, commit="d" * 40)
    run(source(server, **HUB), tmp_path)
    assert (tmp_path / "a/images/1.jpg").read_bytes() == b"one"


def test_a_cut_inside_a_hub_repository_is_gone_on_from(server: Loopback, tmp_path: Path) -> None:
    content = bytes(24_000_000)  # the client keeps what has arrived in blocks of 10 MB
    server.add_hub("me/data", {"1.jpg": content})
    server.script[f"/datasets/me/data/resolve/{COMMIT}/1.jpg"] = ["cut"]
    run(source(server, **HUB), tmp_path)
    assert (tmp_path / "a/images/1.jpg").read_bytes() == content
    assert any(asked.startswith("bytes=") for path, asked in server.asked if "/resolve/" in path)


def test_bytes_that_differ_from_the_hubs_own_hash_are_refused(server: Loopback, tmp_path: Path) -> None:
    server.add_hub("me/data", {"1.jpg": b"one"})
    server.files[f"/datasets/me/data/resolve/{COMMIT}/1.jpg"] = b"eno"
    with pytest.raises(InputError, match="not what its hub states"):
        run(source(server, **HUB), tmp_path)
    assert placed(tmp_path) == []


@pytest.mark.parametrize("files", [{}, {"a.txt": b"no image"}])
def test_a_repository_without_the_files_is_an_error(server: Loopback, tmp_path: Path, files: dict[str, bytes]) -> None:
    if files:
        server.add_hub("me/data", files)
    with pytest.raises(InputError, match="no file of 'me/data' matches" if files else "cannot retrieve the dataset"):
        run(source(server, **HUB), tmp_path)


def test_a_checkpoint_comes_without_code_and_pickle(server: Loopback, tmp_path: Path) -> None:
    held = {
        "model.safetensors": b"w",
        "config.json": b"{}",
        "modeling.py": b"import os",
        "pytorch_model.bin": b"pickle",
    }
    server.add_hub("me/model", held, kind="models")
    retrieve_model("me/model", "main", tmp_path / "models/m")
    assert sorted(p.name for p in (tmp_path / "models/m").iterdir()) == [
        "config.json", "model.safetensors", "revision.txt"
    ]  # fmt: skip
    assert (tmp_path / "models/m/revision.txt").read_text() == f"me/model@{COMMIT}\n"
    assert Lock.read(tmp_path / "models/m.lock.json").commits == {"me/model": COMMIT}


def test_the_verb_retrieves_by_the_endpoint_of_the_environment(server: Loopback, tmp_path: Path) -> None:
    server.add_hub("me/model", {"config.json": b"{}"}, kind="models")
    out = tmp_path / "models/m"
    command = [sys.executable, "-m", "finer", "retrieve", "--repo", "me/model", "--revision", "main", "--out", str(out)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"HF_HUB_OFFLINE": "0"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (out / "config.json").read_bytes() == b"{}"
    command[-3:] = ["gone", "--out", str(tmp_path / "other")]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"HF_HUB_OFFLINE": "0"}, capture_output=True, text=True)
    assert done.returncode == 1 and "cannot retrieve the model 'me/model'" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "other").exists()


def test_the_commit_of_a_branch_is_printed_and_nothing_is_fetched(server: Loopback) -> None:
    server.add_hub("me/model", {"model.safetensors": b"w"}, kind="models")
    command = [sys.executable, "-m", "finer", "commit", "--repo", "me/model"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"HF_HUB_OFFLINE": "1"}, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == f"{COMMIT}\n", done.stderr
    assert not any("resolve" in path for path, _ in server.asked)
    done = subprocess.run([*command, "--revision", "gone"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "at revision 'gone'" in done.stderr and "Traceback" not in done.stderr


# ---------------------------------------------------------------- sources with conversions of their own
def bare(name: str) -> Source:
    """The registry's entry without its counts."""
    return registry()[name].model_copy(update={"expected": Counts(), "believed": Counts()})


def test_pixmo_lists_dead_addresses_and_fetches_the_rest(server: Loopback, tmp_path: Path) -> None:
    server.files |= {f"/{n}.png": picture(n) for n in range(4)} | {"/text.jpg": b"<html>"}
    server.script["/1.png"] = [500]
    server.script["/2.png"] = [503] * 5
    urls = [f"{server.address}/{name}" for name in ("0.png", "1.png?size=1", "2.png", "3.png", "text.jpg", "gone.jpg")]
    urls.append("http://127.0.0.1:9/refused.jpg")
    shards = {}
    for number, part in enumerate((urls[:3], urls[3:])):
        frame = pl.DataFrame({"image_url": part, "caption": ["A cat."] * len(part), "transcripts": [["a"]] * len(part)})
        frame.write_parquet(content := io.BytesIO())
        shards[f"data/train-{number}.parquet"] = content.getvalue()
    server.add_hub("allenai/pixmo-cap", shards)
    retrieve("pixmo", tmp_path, bare("pixmo"), QUICK, QUICK)
    folder = tmp_path / "pixmo"
    assert pl.read_parquet(folder / "captions.parquet")["image_url"].to_list() == urls
    good = [urls[0], urls[1], urls[3]]
    assert sorted(path.name for path in (folder / "images").iterdir()) == sorted(map(image_name, good))
    drops = read_table(folder / "drops.parquet", DROPS)
    assert dict(drops.select("item", "reason").rows()) == {
        urls[2]: "http_503", urls[4]: "no_image", urls[5]: "http_404", urls[6]: "unreachable",
    }  # fmt: skip
    assert set(drops["stage"]) == {"retrieve"} and Lock.read(lock_file(tmp_path, "pixmo")).dropped == 4
    assert read_pixmo(folder / "captions.parquet", folder / "images", "pixmo", on_bad_item="drop").images.height == 3


def test_pixmo_without_a_network_is_an_error_and_keeps_what_it_has(server: Loopback, tmp_path: Path) -> None:
    server.files["/0.png"] = picture(0)
    urls = [f"{server.address}/0.png", *(f"http://127.0.0.1:9/{n}.jpg" for n in range(3))]
    pl.DataFrame({"image_url": urls, "caption": ["A"] * 4, "transcripts": [["a"]] * 4}).write_parquet(c := io.BytesIO())
    server.add_hub("allenai/pixmo-cap", {"data/train-0.parquet": c.getvalue()})
    with pytest.raises(InputError, match="most images cannot be fetched"):
        retrieve("pixmo", tmp_path, bare("pixmo"), QUICK, QUICK)
    assert placed(tmp_path) == [] and len(list((tmp_path / ".retrieving/pixmo/images").iterdir())) == 1
    with pytest.raises(InputError, match="most images"):
        retrieve("pixmo", tmp_path, bare("pixmo"), QUICK, QUICK)
    assert [path for path, _ in server.asked].count("/0.png") == 1  # nothing is fetched twice


def question(number: int, polarity: str) -> dict[str, object]:
    row = {"qtype": f"obj_{polarity}", "question": f"Is there {number}?", "gt_index": 0, "image_filename": "1.jpg"}
    return (
        row
        | {f"choice{n}": f"choice {n} {polarity}" for n in range(1, 6)}
        | {"image": {"bytes": picture(1), "path": "x"}}
    )


def test_the_released_benchmark_becomes_interchange_files(server: Loopback, tmp_path: Path) -> None:
    files = {}
    for setting in ("multi_obj", "multi_attr", "multi_rel", "wh"):
        pl.DataFrame([question(n, way) for n in range(2) for way in ("pos", "neg")]).write_parquet(c := io.BytesIO())
        files[f"data/{setting}-00000-of-00001.parquet"] = c.getvalue()
    server.add_hub("xiaorui638/finer-comprecap-mcq", files)
    retrieve("finer_comprecap", tmp_path, bare("finer_comprecap"), QUICK, QUICK)
    read = import_interchange(tmp_path / "finer_comprecap/questions", tmp_path / "finer_comprecap/images", "released")
    assert read.images.height == 1 and read.pairs.height == 16
    del files["data/wh-00000-of-00001.parquet"]
    server.add_hub("xiaorui638/finer-comprecap-mcq", files, commit="e" * 40)
    lock_file(tmp_path, "finer_comprecap").unlink()
    with pytest.raises(InputError, match="a setting is missing"):
        retrieve("finer_comprecap", tmp_path, bare("finer_comprecap"), QUICK, QUICK)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_released_questions_without_images_may_be_text_files(server: Loopback, tmp_path: Path, form: str) -> None:
    rows = [{**question(n, way), "image": "test_00001.jpg"} for n in range(2) for way in ("pos", "neg")]
    frame = pl.DataFrame([{k: v for k, v in row.items() if k != "image_filename"} for row in rows])
    text = frame.write_csv() if form == "csv" else frame.write_ndjson()
    names = ("multi_obj", "multi_attr", "multi_rel", "wh")
    server.add_hub("xiaorui638/finer-docci", {f"finer_docci_{name}.{form}": text.encode() for name in names})
    entry = bare("finer_docci").model_copy(update={"needs": []})
    retrieve("finer_docci", tmp_path, entry, QUICK, QUICK)
    assert import_interchange(tmp_path / "finer_docci/questions", None, "released").pairs.height == 16


def test_the_released_tuning_data_find_their_images(server: Loopback, tmp_path: Path) -> None:
    line = {
        "conversations": [{"from": "human", "value": "<image>\nWhat is on the table?"}],
        "chosen": {"from": "gpt", "value": "A cup."}, "rejected": {"from": "gpt", "value": "A dog."},
        "images": ["/their/machine/pixmo/train-00000-of-00075/000001.png"],
        "meta": {"shard": "train-00000-of-00075", "row_idx": 1, "qa_type": "wh", "polarity": "pos"},
    }  # fmt: skip
    name = "sampled_annotations/main_experiments/first6_pon.jsonl"
    tar = tarred(("000001.png", picture(3)), mode="w")
    held = {name: json.dumps(line).encode(), "images/train-00000-of-00075.tar": tar, "full_annotations/x.jsonl": b"{}"}
    server.add_hub("xiaorui638/FINER-Tuning-data", held)
    retrieve("finer_tuning", tmp_path, bare("finer_tuning"), QUICK, QUICK)
    folder = tmp_path / "finer_tuning"
    assert import_sharegpt(folder / "pairs.jsonl", folder / "images", "released").preferences.height == 1


def test_a_source_waits_for_those_it_needs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="another source is needed first"):
        retrieve("crpe_relation", tmp_path)


# ---------------------------------------------------------------- the registry
def test_sources_are_found_by_the_paths_of_a_configuration() -> None:
    paths = ["data/pope", "data/coco_val2014", "data/mmvp/images", "results/x/raw/docci/images", "mine/docci"]
    assert needed(paths, "data") == ["coco_val2014", "pope", "mmvp"]
    assert needed(paths, "results/x/raw") == ["docci"]


def test_every_source_says_its_licence_and_what_was_not_checked() -> None:
    for name, entry in registry().items():
        assert entry.licence and entry.title, name
        assert entry.checked or entry.note or entry.believed != Counts(), f"{name}: unchecked, but nothing says what"
        for part in entry.fetch:
            assert not isinstance(part, Web) or part.address or part.page


def test_the_page_shows_the_registry() -> None:
    assert overview() in (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
