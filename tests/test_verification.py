"""The verifier picks the true element among five in five cyclic orders; sure failures are told from unsure ones."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl
import pytest

from finer.config import Evaluation, Negatives
from finer.errors import InputError
from finer.mllm.questions import Answer, Query
from finer.mllm.registry import Checkpoint
from finer.negatives.calibrate import calibrate
from finer.negatives.settle import failed
from finer.negatives.verify import LETTERS, prompt, questions, verify, verify_files
from finer.schemas import ELEMENTS, IMAGES, NEGATIVE_CHECKS, NEGATIVES, RUNS
from finer.store import read_table, table_from, write_table
from tiny_models import save_images, save_tiny

SETTINGS = Negatives(verifier="fake", entropy_threshold=0.5)


class FakeVerifier:
    """Gives each option a log-probability by its text and its letter."""

    name = "fake"

    def __init__(self, liking: Callable[[str, str], float]) -> None:
        self.liking = liking
        self.asked: list[Query] = []

    def answer(self, queries: Sequence[Query], max_new_tokens: int) -> list[Answer]:
        self.asked.extend(queries)
        answers = []
        for query in queries:
            options = re.findall(r"^([A-E])\. (.*)$", query.prompt, re.MULTILINE)
            answers.append(Answer(query.key, "A", tuple(self.liking(letter, text) for letter, text in options)))
        return answers

    def score_continuations(self, queries: object, options: object) -> list[object]:
        raise NotImplementedError("the verifier answers by letter")


def element(element_id: str, kind: str, text: str, **more: object) -> dict[str, object]:
    return {
        "element_id": element_id, "image_id": "i", "benchmark": "b", "kind": kind, "position": 0, "text": text,
        "category": "c", "value": None, "plural": False, "parent_id": None, "target_id": None, "ambiguous": False,
        "source": "annotation", "evidence": None, **more,
    }  # fmt: skip


def negative(element_id: str, rank: int, text: str, **more: object) -> dict[str, object]:
    return {
        "negative_id": f"{element_id}{rank}", "element_id": element_id, "image_id": "i", "round": 0, "rank": rank,
        "negative_kind": "object", "text": text, "target_text": None, "plural": False, "proposer": "lexicon", **more,
    }  # fmt: skip


ELEMENT_ROWS = table_from(
    [
        element("ball", "object", "ball"),
        element("stairs", "object", "stair", plural=True),
        element("red", "attribute", "with a red color", parent_id="ball"),
        element("left", "relation", "is to the left of", parent_id="ball", target_id="box"),
        element("climb", "relation", "is above", parent_id="stairs", target_id="box"),
        element("box", "object", "box"),
    ],
    ELEMENTS,
)
WORDS = ("cone", "apple", "star", "cup")
NEGATIVE_ROWS = table_from(
    [
        *(negative("ball", rank, text) for rank, text in enumerate(WORDS)),
        *(negative("red", rank, f"with a {text} color") for rank, text in enumerate(("blue", "pink", "grey", "teal"))),
        *(negative("left", rank, "is to the left of", target_text=text) for rank, text in enumerate(WORDS)),
        *(negative("climb", rank, text) for rank, text in enumerate(("is below", "is on", "is behind", "is near"))),
    ],
    NEGATIVES,
)
IMAGE_ROWS = table_from(
    [{"image_id": "i", "benchmark": "b", "split": "test", "file_name": "i.png", "path": "i.png", "width": 96,
      "height": 96, "sha256": "0"}],
    IMAGES,
)  # fmt: skip


def checked(liking: Callable[[str, str], float], settings: Negatives = SETTINGS) -> dict[str, dict[str, object]]:
    checks = verify(ELEMENT_ROWS, NEGATIVE_ROWS, IMAGE_ROWS, FakeVerifier(liking), settings)  # type: ignore[arg-type]
    return {row["element_id"]: row for row in checks.iter_rows(named=True)}


def test_options_are_full_phrases_with_articles_and_agreement() -> None:
    phrases = {q.element_id: q.phrases for q in questions(ELEMENT_ROWS, NEGATIVE_ROWS, IMAGE_ROWS)}
    assert phrases["ball"] == ("a ball", "a cone", "an apple", "a star", "a cup")
    assert phrases["red"][:2] == ("a ball with a red color", "a ball with a blue color")
    assert phrases["left"][:2] == ("a ball that is to the left of the box", "a ball that is to the left of the cone")
    assert phrases["climb"][:2] == ("stair that are above the box", "stair that are below the box")


def test_every_phrase_stands_once_at_every_letter() -> None:
    engine = FakeVerifier(lambda letter, text: 0.0)
    verify(ELEMENT_ROWS, NEGATIVE_ROWS, IMAGE_ROWS, engine, SETTINGS)  # type: ignore[arg-type]
    mine = [query for query in engine.asked if query.key.startswith("ball.")]
    places = {line for query in mine for line in re.findall(r"^[A-E]\. .*$", query.prompt, re.MULTILINE)}
    assert len(mine) == 5
    assert len(places) == 25
    assert all(query.labels == tuple(LETTERS) and query.image == Path("i.png") for query in mine)


def test_true_element_that_is_picked_passes() -> None:
    row = checked(lambda letter, text: 0.0 if text in ("a ball", "a ball with a red color") else -9.0)["ball"]
    assert row["check"] == "passed"
    assert row["picked"] == 0
    assert row["probabilities"][0] > 0.99  # type: ignore[index]


def test_sure_choice_of_a_negative_is_a_sure_failure_and_an_unsure_one_is_not() -> None:
    sure = checked(lambda letter, text: 0.0 if "star" in text else -9.0)["ball"]
    unsure = checked(lambda letter, text: 0.1 if "star" in text else 0.0)["ball"]
    assert (sure["check"], sure["picked"]) == ("sure_failure", 3)
    assert (unsure["check"], unsure["picked"]) == ("unsure_failure", 3)
    assert sure["entropy"] < 0.05 < 0.95 < unsure["entropy"]  # type: ignore[operator]


def test_liking_for_a_letter_decides_nothing() -> None:
    row = checked(lambda letter, text: (5.0 if letter == "C" else 0.0) + (0.5 if text == "a ball" else 0.0))["ball"]
    assert row["check"] == "passed"
    # Alone it leaves all phrases alike: full entropy, and a tie is no success.
    tied = checked(lambda letter, text: 5.0 if letter == "C" else 0.0)["ball"]
    assert tied["letters"] == ["C"] * 5
    assert tied["check"] == "unsure_failure"
    assert tied["entropy"] == pytest.approx(1.0)


def test_probabilities_are_means_over_the_orders_of_normalised_letters() -> None:
    row = checked(lambda letter, text: math.log(0.5 if text == "a ball" else 0.1) - 3.0)["ball"]
    assert row["probabilities"] == pytest.approx([0.5 / 0.9, *[0.1 / 0.9] * 4])
    p = row["probabilities"]
    assert row["entropy"] == pytest.approx(-sum(x * math.log(x) for x in p) / math.log(5))  # type: ignore[attr-defined]


def test_only_sure_failures_get_new_negatives() -> None:
    checks = verify(
        ELEMENT_ROWS, NEGATIVE_ROWS, IMAGE_ROWS,
        FakeVerifier(lambda letter, text: 0.0 if "cone" in text or "blue" in text else -9.0), SETTINGS,  # type: ignore[arg-type]
    )  # fmt: skip
    assert failed(checks).to_list() == ["ball", "left", "red"]


def test_skipped_verification_is_recorded_and_asks_nothing() -> None:
    engine = FakeVerifier(lambda letter, text: 0.0)
    checks = verify(ELEMENT_ROWS, NEGATIVE_ROWS, IMAGE_ROWS, engine, Negatives(verification="none"))  # type: ignore[arg-type]
    assert not engine.asked
    assert set(checks["check"]) == {"skipped"}
    assert set(checks["verifier"]) == {"none"}
    assert checks.height == NEGATIVE_ROWS["element_id"].n_unique()


def test_questions_about_each_kind_of_element_differ_only_in_wording() -> None:
    assert prompt("object", list("vwxyz")).splitlines()[1] != prompt("relation", list("vwxyz")).splitlines()[1]
    assert prompt("object", list("vwxyz")).endswith("E. z\nAnswer with one capital letter.")


def test_element_without_four_negatives_is_refused() -> None:
    with pytest.raises(InputError, match="without its four negatives"):
        questions(ELEMENT_ROWS, NEGATIVE_ROWS.filter(pl.col("negative_id") != "ball2"), IMAGE_ROWS)


def test_verification_without_images_is_refused() -> None:
    with pytest.raises(InputError, match="needs an image"):
        questions(ELEMENT_ROWS, NEGATIVE_ROWS, IMAGE_ROWS.with_columns(path=pl.lit(None, pl.String)))


def test_files_of_a_round_are_checked_by_a_real_model(tmp_path: Path) -> None:
    image = save_images(tmp_path / "images", 1)[0]
    save_tiny("internvl", tmp_path / "model")
    write_table(ELEMENT_ROWS, ELEMENTS, tmp_path / "elements.parquet")
    write_table(NEGATIVE_ROWS, NEGATIVES, tmp_path / "negatives.parquet")
    write_table(IMAGE_ROWS.with_columns(path=pl.lit(str(image))), IMAGES, tmp_path / "images.parquet")
    checkpoint = Checkpoint(name="fake", path=str(tmp_path / "model"), family="internvl")

    def run(out: str, shard_items: int) -> pl.DataFrame:
        verify_files(
            tmp_path / "elements.parquet", tmp_path / "negatives.parquet", tmp_path / "images.parquet",
            tmp_path / out, tmp_path / "run.parquet", checkpoint, SETTINGS, Evaluation(shard_items=shard_items), "c0de",
        )  # fmt: skip
        return read_table(tmp_path / out, NEGATIVE_CHECKS)

    checks = run("a.parquet", 10)
    assert checks["element_id"].to_list() == ["ball", "climb", "left", "red"]
    assert checks["probabilities"].list.sum().to_list() == pytest.approx([1.0] * 4)
    assert read_table(tmp_path / "run.parquet", RUNS)["run_id"].to_list() == checks["run_id"].unique().to_list()
    run("b.parquet", 10)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_round_without_negatives_gives_no_checks_and_loads_no_model(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "x.safetensors").write_bytes(b"never read as weights")
    for table, frame in ((ELEMENTS, ELEMENT_ROWS), (NEGATIVES, NEGATIVES.empty()), (IMAGES, IMAGE_ROWS)):
        write_table(frame, table, tmp_path / f"{table.name}.parquet")
    verify_files(
        tmp_path / "elements.parquet", tmp_path / "negatives.parquet", tmp_path / "images.parquet",
        tmp_path / "checks.parquet", tmp_path / "run.parquet",
        Checkpoint(name="fake", path=str(tmp_path / "model"), family="internvl"), SETTINGS, Evaluation(), "c0de",
    )  # fmt: skip
    assert read_table(tmp_path / "checks.parquet", NEGATIVE_CHECKS).height == 0


def calibration_case(rows: Sequence[tuple[int, float, bool]]) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Checks, negatives and truth from (picked, entropy, whether one negative is true) of each element."""
    ids = [f"e{number}" for number in range(len(rows))]
    checks = table_from(
        [
            {"element_id": name, "image_id": "i", "round": 0, "verifier": "v", "check": "passed", "picked": picked,
             "probabilities": None, "entropy": entropy, "letters": None, "run_id": "r"}
            for name, (picked, entropy, _) in zip(ids, rows, strict=True)
        ],
        NEGATIVE_CHECKS,
    )  # fmt: skip
    negatives = table_from([negative(name, rank, "x") for name in ids for rank in range(4)], NEGATIVES)
    spoiled = {f"{name}1" for name, (_, _, is_true) in zip(ids, rows, strict=True) if is_true}
    truth = negatives.select("negative_id", is_true=pl.col("negative_id").is_in(list(spoiled)))
    return checks, negatives, truth


def test_threshold_is_chosen_where_spoiled_elements_are_found_and_few_others_flagged() -> None:
    rows = [(2, 0.1, True), (2, 0.32, True), (1, 0.7, False), (3, 0.8, False), (0, 0.1, False), (0, 0.2, False)]
    found = calibrate(*calibration_case(rows))
    assert found.threshold == pytest.approx(0.35)
    at = found.curve.filter(pl.col("threshold") == 0.35).row(0, named=True)
    assert (at["flagged"], at["hits"], at["precision"], at["recall"]) == (2, 2, 1.0, 1.0)
    lax = found.curve.filter(pl.col("threshold") == 1.0).row(0, named=True)
    assert (lax["precision"], lax["recall"]) == (0.5, 1.0)


def test_missing_a_spoiled_element_weighs_more_than_a_needless_proposal() -> None:
    rows = [(1, 0.1, True), (1, 0.2, False), (1, 0.5, True)]
    assert calibrate(*calibration_case(rows)).threshold == pytest.approx(0.55)


def test_calibration_without_truth_is_refused() -> None:
    checks, negatives, truth = calibration_case([(1, 0.1, True)])
    with pytest.raises(InputError, match="truth is not known"):
        calibrate(checks, negatives, truth.head(3))
    with pytest.raises(InputError, match="no threshold can be chosen"):
        calibrate(*calibration_case([(1, 0.1, False)]))
