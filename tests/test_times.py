"""The table of times adds up Snakemake's benchmark files by step."""

from __future__ import annotations

from pathlib import Path

import pytest

from finer.errors import InputError
from finer.tables.times import times, times_layout, write_times

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def job(folder: Path, name: str, seconds: float, rss: str, cpu: str) -> Path:
    path = folder / f"{name}.tsv"
    path.write_text(f"{HEAD}{seconds}\t0:00:01\t{rss}\t1\t1\t1\t0\t0\t50\t{cpu}\n")
    return path


def test_jobs_of_a_step_are_added_up_and_the_longest_step_comes_first(tmp_path: Path) -> None:
    files = [
        job(tmp_path, "short", 1.5, "80.0", "1.0"), job(tmp_path, "answer.one", 10.0, "500.0", "9.0"),
        job(tmp_path, "answer.other", 20.0, "700.0", "19.5"),
    ]  # fmt: skip
    assert times(files).rows() == [("answer", 2, 30.0, 28.5, 700.0), ("short", 1, 1.5, 1.0, 80.0)]
    lines = times_layout(times(files)).rows
    assert [cell.value for cell in lines[0].cells] == ["2", "30", "95 %", "28", "700"]
    assert [cell.value for cell in lines[-1].cells][:4] == ["3", "32", "100 %", "30"]


def test_a_job_too_short_to_be_measured_counts_its_seconds_only(tmp_path: Path) -> None:
    assert times([job(tmp_path, "x", 0.1, "NA", "NA")]).rows() == [("x", 1, 0.1, 0.0, 0.0)]


def test_all_forms_are_written_and_another_file_is_refused(tmp_path: Path) -> None:
    file = job(tmp_path, "x", 2.0, "1.0", "1.0")
    outputs = [tmp_path / f"t.{kind}" for kind in ("md", "csv")]
    write_times([file], outputs)
    assert "Where the time goes" in outputs[0].read_text()
    (tmp_path / "other.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(InputError, match="not a benchmark file"):
        times([tmp_path / "other.tsv"])
