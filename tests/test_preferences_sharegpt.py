"""The ShareGPT form: what leaves comes back, LLaMA-Factory's reader finds what it looks for, bad lines are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from finer.cli import main
from finer.errors import InputError
from finer.preferences.sharegpt import export_sharegpt, import_sharegpt, write_dataset_info
from finer.schemas import PREFERENCES
from finer.store import table_from, write_table
from preference_stages import of_world

Line = dict[str, Any]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def preferences(root: Path) -> pl.DataFrame:
    return of_world(root, 12).preferences


@pytest.fixture
def lines(preferences: pl.DataFrame, root: Path, tmp_path: Path) -> list[Line]:
    export_sharegpt(preferences, tmp_path / "out.jsonl", root)
    return [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]


def write(lines: list[Line], path: Path) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_a_line_has_what_llama_factory_reads(lines: list[Line], preferences: pl.DataFrame, root: Path) -> None:
    assert len(lines) == preferences.height
    for line, row in zip(lines, preferences.iter_rows(named=True), strict=True):
        assert line["conversations"] == [{"from": "human", "value": f"<image>\n{row['question']}"}]
        assert line["chosen"] == {"from": "gpt", "value": row["chosen"]}
        assert line["rejected"] == {"from": "gpt", "value": row["rejected"]}
        assert [str(root / name) for name in line["images"]] == [row["image_path"]]
        meta = line["meta"]
        assert (meta["shard"], meta["qa_type"], meta["polarity"]) == (
            row["source"],
            row["phrase_type"],
            row["polarity"],
        )
    captions = {(line["meta"]["shard"], line["meta"]["row_idx"]) for line in lines}
    assert len(captions) == preferences["caption_id"].n_unique()


def test_the_data_set_is_described_for_llama_factory(tmp_path: Path) -> None:
    write_dataset_info(["pon", "all"], tmp_path / "dataset_info.json")
    said = json.loads((tmp_path / "dataset_info.json").read_text())
    assert set(said) == {"finer_pon", "finer_all"}
    entry = said["finer_pon"]
    assert entry["file_name"] == "pon.jsonl" and entry["formatting"] == "sharegpt" and entry["ranking"] is True
    assert entry["columns"] == {
        "messages": "conversations", "chosen": "chosen", "rejected": "rejected", "images": "images"
    }  # fmt: skip


def test_the_file_loads_as_a_hugging_face_data_set(lines: list[Line], tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    path = write(lines, tmp_path / "again.jsonl")
    loaded = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == len(lines) and loaded[0]["chosen"] == lines[0]["chosen"]


def test_what_was_exported_comes_back(preferences: pl.DataFrame, root: Path, tmp_path: Path) -> None:
    export_sharegpt(preferences, tmp_path / "out.jsonl", root)
    back = import_sharegpt(tmp_path / "out.jsonl", root, "pixmo")
    assert back.preferences.equals(preferences)
    assert back.images["image_id"].to_list() == preferences["image_id"].unique(maintain_order=True).to_list()
    export_sharegpt(back.preferences, tmp_path / "again.jsonl", root)
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "out.jsonl").read_bytes()


@settings(max_examples=25, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1, max_size=30))
def test_any_text_survives(text: str, preferences: pl.DataFrame, root: Path, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("text")
    odd = preferences.head(2).with_columns(
        question=pl.lit(f'Is "{text}"\n\\ there?'), chosen=pl.lit(f"Yes, {text} ü."), rejected=pl.lit(f"No, {text} 猫.")
    )
    export_sharegpt(odd, folder / "out.jsonl", root)
    assert import_sharegpt(folder / "out.jsonl", root, "pixmo").preferences.equals(odd)


def test_images_elsewhere_keep_their_path(preferences: pl.DataFrame, tmp_path: Path) -> None:
    export_sharegpt(preferences.head(1), tmp_path / "out.jsonl", "other/folder")
    line = json.loads((tmp_path / "out.jsonl").read_text())
    assert line["images"] == [preferences["image_path"][0]]


def test_meta_may_be_missing_where_the_texts_tell(lines: list[Line], root: Path, tmp_path: Path) -> None:
    wh = [line for line in lines if line["meta"]["qa_type"] == "wh"]
    bare = [{key: value for key, value in line.items() if key != "meta"} for line in wh]
    back = import_sharegpt(write(bare, tmp_path / "wh.jsonl"), root, "s").preferences
    assert back["polarity"].to_list() == [line["meta"]["polarity"] for line in wh]
    assert set(back["phrase_type"]) == {"wh"} and back["caption_id"].null_count() == back.height
    others = [line | {"meta": {"qa_type": line["meta"]["qa_type"]}} for line in lines]
    told = import_sharegpt(write(others, tmp_path / "types.jsonl"), root, "s").preferences
    assert told["polarity"].to_list() == [line["meta"]["polarity"] for line in lines]


def test_released_meta_names_the_caption(lines: list[Line], root: Path, tmp_path: Path) -> None:
    keys = ("shard", "row_idx", "qa_type", "polarity")
    released = [line | {"meta": {key: line["meta"][key] for key in keys}} for line in lines]
    for line in released:
        line["meta"]["polarity"] = line["meta"]["polarity"][:3]  # "pos" and "neg" are understood too
    back = import_sharegpt(write(released, tmp_path / "r.jsonl"), root, "s").preferences
    assert back["caption_id"].null_count() == 0
    assert back["caption_id"].n_unique() == len({line["meta"]["row_idx"] for line in lines})
    assert set(back["polarity"]) == {"positive", "negative"} and back["preference_id"].n_unique() == back.height


BAD: dict[str, tuple[Callable[[Line], Line], list[str]]] = {
    "no chosen": (lambda x: {k: v for k, v in x.items() if k != "chosen"}, ["'chosen'", "missing field"]),
    "chosen is a text": (lambda x: x | {"chosen": "Yes."}, ["'chosen'", "str 'Yes.'"]),
    "empty answer": (lambda x: x | {"rejected": {"from": "gpt", "value": " "}}, ["'rejected.value'", "empty"]),
    "two turns": (lambda x: x | {"conversations": x["conversations"] * 2}, ["'conversations'", "one human turn"]),
    "no turn": (lambda x: x | {"conversations": []}, ["'conversations'"]),
    "no question": (lambda x: x | {"conversations": [{"from": "human", "value": "<image>\n"}]}, ["nothing is asked"]),
    "unknown speaker": (lambda x: x | {"chosen": {"from": "bot", "value": "a"}}, ["'chosen.from'", "human"]),
    "same answers": (lambda x: x | {"rejected": x["chosen"]}, ["'rejected'", "the same"]),
    "no image": (lambda x: x | {"images": []}, ["'images'", "one image"]),
    "two images": (lambda x: x | {"images": ["a.jpg", "b.jpg"]}, ["'images'"]),
    "missing image": (lambda x: x | {"images": ["none.jpg"]}, ["'images'", "does not exist"]),
    "unknown type": (lambda x: x | {"meta": x["meta"] | {"qa_type": "count"}}, ["'meta.qa_type'", "obj | attr"]),
    "unknown polarity": (lambda x: x | {"meta": x["meta"] | {"polarity": "maybe"}}, ["'meta.polarity'"]),
    "number as text": (lambda x: x | {"meta": x["meta"] | {"wording": "one"}}, ["'meta.wording'"]),
    "type not told": (
        lambda x: x | {"meta": {}, "conversations": [{"from": "human", "value": "<image>\nCan you see a cat?"}]},
        ["'meta.qa_type'", "cannot be told"],
    ),
    "twice": (
        lambda x: x | {"meta": x["meta"] | {"preference_id": "TWICE"}},
        ["'meta.preference_id'", "first at line 1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_line_is_named_or_dropped(case: str, lines: list[Line], root: Path, tmp_path: Path) -> None:
    change, said = BAD[case]
    first = lines[0] | {"meta": lines[0]["meta"] | {"preference_id": "TWICE"}}
    path = write([first, lines[1], change(lines[2]), *lines[3:6]], tmp_path / "bad.jsonl")
    with pytest.raises(InputError) as error:
        import_sharegpt(path, root, "s")
    for part in [str(path), "line 3", *said, "found:", "expected:", "cure:"]:
        assert part in str(error.value)
    back = import_sharegpt(path, root, "s", "drop")
    assert back.preferences.height == 5 and back.drops.height == 1
    assert "line 3" in back.drops["detail"][0]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b'{"conversations": [\n', "not JSON"), (b"[1, 2]\n", "line 1"), (b'{"a": "\xff"}\n', "UTF-8"), (b"", "no item")],
)
def test_what_is_no_such_file_is_refused(content: bytes, said: str, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        import_sharegpt(path, root, "s")
    with pytest.raises(InputError, match="no item of the file can be used"):
        import_sharegpt(path, root, "s", "drop")
    with pytest.raises(InputError, match="no such file"):
        import_sharegpt(tmp_path / "nothing", root, "s")


@pytest.mark.parametrize("name", ["../x.jpg", "/etc/passwd", "a/../../x.jpg"])
def test_images_never_leave_their_folder(name: str, lines: list[Line], root: Path, tmp_path: Path) -> None:
    path = write([lines[0] | {"images": [name]}], tmp_path / "x.jsonl")
    with pytest.raises(InputError, match="leaves its folder"):
        import_sharegpt(path, root, "s", "drop")


def test_a_broken_image_drops_all_its_lines(lines: list[Line], tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    mixed = [line | {"images": ["bad.png" if number % 2 else "good.png"]} for number, line in enumerate(lines[:6])]
    back = import_sharegpt(write(mixed, tmp_path / "x.jsonl"), tmp_path, "s", "drop")
    assert back.preferences.height == 3 and back.drops.height == 3 and back.images.height == 1


def test_an_interrupted_export_leaves_nothing(preferences: pl.DataFrame, tmp_path: Path) -> None:
    broken = preferences.with_columns(image_path=pl.lit(None, dtype=pl.String))
    with pytest.raises(TypeError):
        export_sharegpt(broken, tmp_path / "out.jsonl", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_verbs_export_and_import(preferences: pl.DataFrame, root: Path, tmp_path: Path) -> None:
    moved = preferences.with_columns(
        image_path=pl.col("image_path").str.replace(str(root), str(tmp_path), literal=True)
    )
    (tmp_path / "raw").symlink_to(root / "raw")
    write_table(table_from(moved.to_dicts(), PREFERENCES), PREFERENCES, tmp_path / "m.parquet")
    out = tmp_path / "interchange" / "tuning" / "m.jsonl"
    assert main(["export-sharegpt", "--preferences", str(tmp_path / "m.parquet"), "--out", str(out)]) == 0
    made = [str(tmp_path / f"{name}.parquet") for name in ("images", "out", "drops")]
    config = json.dumps({"on_bad_item": "stop", "split": None})
    arguments = ["--config", config, "--source", "pixmo", "--file", str(out), "--folder", str(tmp_path)]
    assert main(["import-sharegpt", *arguments, "--images", made[0], "--out", made[1], "--drops", made[2]]) == 0
    assert pl.read_parquet(made[1]).equals(moved)
