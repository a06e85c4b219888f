"""Each suite as officially distributed, from a server on loopback -> retrieval by its registry entry -> its reader.

The files are small (of the micro world), the layouts are the official ones; counts of the registry are left out.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from file_server import COMMIT, Loopback, serving
from finer.config import Config
from finer.retrieval.download import Patience
from finer.retrieval.retrieve import Lock, hand_folder, lock_file, retrieve
from finer.retrieval.sources import Counts, Git, Hub, Source, Web, registry
from finer.schemas import DROPS
from finer.store import read_table
from finer.suites.suite import Sources, load_suite
from finer.workflow import origins
from finer.world.suites.writing import write_suite
from presets import preset
from suite_runs import items_of

QUICK = Patience(attempts=3, pause=0.01, longest_pause=0.02, silence=5.0)
PAPER = preset("paper")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Loopback]:
    with serving() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.address)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield running


def here(source: Source, server: Loopback) -> Source:
    """The entry with its addresses on loopback, without the checksums and counts of the real files."""
    fetch = []
    for part in source.fetch:
        if isinstance(part, Git):
            part = part.model_copy(update={"base": server.address})
        elif isinstance(part, Web) and part.address is not None:
            path = "/" + part.address.split("://", 1)[1].split("/", 1)[1]
            part = Web(file=part.file, address=server.address + path)
        fetch.append(part)
    return source.model_copy(update={"fetch": fetch, "expected": Counts(), "believed": Counts()})


def packed(members: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return content.getvalue()


def parquet(rows: list[dict[str, object]]) -> bytes:
    content = io.BytesIO()
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(content)
    return content.getvalue()


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def lines(content: bytes) -> list[dict[str, str]]:
    return [json.loads(line) for line in content.decode().splitlines()]


# ---------------------------------------------------------------- the official layouts
Release = Callable[[Loopback, dict[str, bytes], Path], None]


def git(server: Loopback, name: str, files: dict[str, bytes]) -> None:
    part = next(part for part in registry()[name].fetch if isinstance(part, Git))
    assert set(part.files) == set(files)
    for path, content in files.items():
        server.files[f"/{part.git}/{part.commit}/{path}"] = content


def coco(server: Loopback, year: str, images: dict[str, bytes]) -> None:
    server.files[f"/zips/val{year}.zip"] = packed({f"val{year}/{name}": data for name, data in images.items()})


def poll(server: Loopback, files: dict[str, bytes], name: str, folder: str) -> None:
    git(server, name, {f"{folder}/{path}": data for path, data in files.items() if path.startswith("coco_")})
    coco(server, "2014", {path.split("/")[-1]: data for path, data in files.items() if path.startswith("images/")})


def pope(server: Loopback, files: dict[str, bytes], data: Path) -> None:
    poll(server, files, "pope", "output/coco")


def repope(server: Loopback, files: dict[str, bytes], data: Path) -> None:
    poll(server, files, "repope", "annotations")


def dash_b(server: Loopback, files: dict[str, bytes], data: Path) -> None:
    rows = []
    for side, answer in (("neg", "no"), ("pos", "yes")):
        for name, things in json.loads(files[f"dash_benchmark_{side}.json"]).items():
            for thing, images in things.items():
                for image in images:
                    path = f"{side}/{name}/{thing}/{image}"
                    rows.append(
                        {"dataset": name, "object": thing, "answer": answer, "image_path": path, "img_id": image,
                         "question": f"Can you see a {thing} in this image? Please answer only with yes or no.",
                         "question_id": len(rows), "image": {"bytes": files[f"images/{path}"], "path": image}}
                    )  # fmt: skip
    server.add_hub("YanNeu/DASH-B", {"data/test-00000-of-00001.parquet": parquet(rows), "README.md": b"card"})


def hallusionbench(server: Loopback, files: dict[str, bytes], data: Path) -> None:
    git(server, "hallusionbench", {"HallusionBench.json": files["HallusionBench.json"]})
    hand = hand_folder(data, "hallusionbench")
    hand.mkdir(parents=True)
    members = {f"hallusion_bench/{path[7:]}": each for path, each in files.items() if path.startswith("images/")}
    (hand / "hallusion_bench.zip").write_bytes(packed(members | {"__MACOSX/hallusion_bench/VD/._1_0.png": b"fork"}))


def amber(server: Loopback, files: dict[str, bytes], data: Path) -> None:
    official = [path for path in files if path.endswith((".json", ".txt"))]
    wanted = next(part for part in registry()["amber"].fetch if isinstance(part, Git)).files
    git(server, "amber", {f"data/{path}": files[path] for path in official if f"data/{path}" in wanted})
    hand = hand_folder(data, "amber")
    hand.mkdir(parents=True)
    images = {f"image/{path[7:]}": each for path, each in files.items() if path.startswith("images/")}
    (hand / "amber_images.zip").write_bytes(packed(images))


def crpe_relation(server: Loopback, files: dict[str, bytes], data: Path) -> None:
    prefix = "coco/val2017/"
    names = sorted(path.removeprefix(f"images/{prefix}") for path in files if path.startswith("images/"))
    rows = files["crpe_relation.jsonl"].decode()
    for name in names[::2]:  # the official images are of two kinds
        rows = rows.replace(prefix + name, f"abnormal_images/{name}")
    official = {f"abnormal_images/{name}": files[f"images/{prefix}{name}"] for name in names[::2]}
    server.add_hub("OpenGVLab/CRPE", {"crpe_relation.jsonl": rows.encode(), "crpe_exist.jsonl": b"{}", **official})
    coco(server, "2017", {name: files[f"images/{prefix}{name}"] for name in names[1::2]} | {"unasked.jpg": b"x"})


def mmhal(server: Loopback, files: dict[str, bytes], data: Path) -> None:
    server.add_hub("Shengcao1006/MMHal-Bench", {path: each for path, each in files.items() if path != "scenes.csv"})


def mmhal_in_an_archive(server: Loopback, files: dict[str, bytes], data: Path) -> None:
    images = {f"test_data/{path}": each for path, each in files.items() if path.startswith("images/")}
    official = {"response_template.json": files["response_template.json"], "test_data.zip": packed(images)}
    server.add_hub("Shengcao1006/MMHal-Bench", official)


def haloquest(server: Loopback, files: dict[str, bytes], data: Path) -> None:
    table = pl.read_csv(files["haloquest-eval.csv"], infer_schema_length=0)
    table = table.with_columns(url=pl.format(f"{server.address}/bucket/{{}}", "image_name"))
    git(server, "haloquest", {"haloquest-eval.csv": table.write_csv().encode()})
    for name in table["image_name"].unique().sort()[1:]:  # the first is dead
        server.files[f"/bucket/{name}"] = files[f"images/{name}"]


def mmstar(server: Loopback, files: dict[str, bytes], data: Path) -> None:
    server.add_hub("Lin-Chen/MMStar", {"mmstar.parquet": files["mmstar.parquet"], "MMStar.tsv": b"index\n"})


def textvqa(server: Loopback, files: dict[str, bytes], data: Path) -> None:
    server.files["/textvqa/data/TextVQA_0.5.1_val.json"] = files["TextVQA_0.5.1_val.json"]
    images = {f"train_{path}": each for path, each in files.items() if path.startswith("images/")}
    server.files["/textvqa/images/train_val_images.zip"] = packed(images)


def chartqa(server: Loopback, files: dict[str, bytes], data: Path) -> None:
    top = "ChartQA Dataset"
    members = {f"{top}/test/test_{split}.json": files[f"test_{split}.json"] for split in ("human", "augmented")}
    members |= {f"{top}/test/png/{path[7:]}": each for path, each in files.items() if path.startswith("images/")}
    members |= {
        f"{top}/train/train_human.json": b"[]",
        f"{top}/train/png/1.png": b"another",
        f"{top}/val/png/2.png": b"x",
    }
    server.add_hub("ahmed-masry/ChartQA", {"ChartQA Dataset.zip": packed(members), "data/test-0.parquet": b"no"})


def mmvp(server: Loopback, files: dict[str, bytes], data: Path) -> None:
    images = {f"MMVP Images/{path[7:]}": each for path, each in files.items() if path.startswith("images/")}
    server.add_hub("MMVP/MMVP", {"Questions.csv": files["Questions.csv"], **images})


def naturalbench(server: Loopback, files: dict[str, bytes], data: Path) -> None:
    official = {"data/train-00000-of-00001.parquet": files["naturalbench.parquet"],
                "dataset_split_for_finetuning/train.parquet": b"another split"}  # fmt: skip
    server.add_hub("BaiqiL/NaturalBench", official)


def vstar(server: Loopback, files: dict[str, bytes], data: Path) -> None:
    official = {path.removeprefix("images/"): each for path, each in files.items() if path != "scenes.csv"}
    server.add_hub("craigwu/vstar_bench", official | {"GPT4V-hard/0.jpg": b"no part of the suite"})


CASES: dict[str, tuple[str, Release]] = {
    each.__name__: (each.__name__, each)
    for each in (pope, repope, dash_b, hallusionbench, amber, crpe_relation, mmhal, haloquest, mmstar, textvqa, chartqa,
                 mmvp, naturalbench, vstar)
}  # fmt: skip
CASES |= {"amber_generative": ("amber_generative", amber), "mmhal_in_an_archive": ("mmhal", mmhal_in_an_archive)}


def configured(data: Path) -> Config:
    return Config.model_validate(PAPER | {"data": str(data)})


@pytest.mark.parametrize("case", CASES)
def test_a_suite_as_released_is_retrieved_and_read(case: str, server: Loopback, tmp_path: Path) -> None:
    name, release = CASES[case]
    suite, data, micro = load_suite(name), tmp_path / "data", tmp_path / "micro"
    write_suite(name, 3, 24, micro)
    release(server, tree(micro), data)
    plan = configured(data).plan()["suites"][name]
    source = Path(plan["raw"]).relative_to(data).parts[0]
    for each in (*registry()[source].needs, source):
        retrieve(each, data, here(registry()[each], server), QUICK, QUICK)
    items, drops = items_of(suite, Sources(Path(plan["raw"]), Path(plan["images"]), name), "drop")
    wanted, _ = items_of(suite, Sources(micro, micro / "images", name))
    dead = read_table(data / source / "drops.parquet", DROPS)["item"] if name == "haloquest" else []
    gone = [address.split("/")[-1] for address in dead]
    lost = wanted.filter(pl.col("image_paths").list.first().str.split("/").list.last().is_in(gone))
    assert len(dead) == (name == "haloquest") and lost.height == drops.height == len(dead)
    assert items.height == wanted.height - lost.height > 8
    assert items["prompt"].sort().to_list() == wanted.join(lost, on="item_id", how="anti")["prompt"].sort().to_list()
    assert all(Path(path).is_file() for paths in items["image_paths"] for path in paths)
    lock = Lock.read(lock_file(data, source))
    assert lock.files and lock.commits == {
        part.hub: COMMIT for part in registry()[source].fetch if isinstance(part, Hub)
    }
    assert not (data / ".retrieving" / source).exists()
    # What the rule of the workflow promises is there.
    places = origins(configured(data))[source]
    assert all(Path(path).exists() for path in (*places["files"], *places["folders"]))


def test_every_suite_of_the_paper_has_its_case() -> None:
    assert set(PAPER["suites"]) == {name for name, _ in CASES.values()}
    assert all(entry[part].startswith("{data}/") for entry in PAPER["suites"].values() for part in ("raw", "images"))
