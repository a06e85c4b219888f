"""Items and responses of a suite -> JUDGEMENTS: what a judge said of each response, kept word for word.

A reply is found again by the hash of its request, so whatever has been asked once is never asked again and a table of
judgements can be made anew without the judge. Verdicts are read from the kept replies each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import polars as pl

from finer.errors import InputError
from finer.keys import stable_key
from finer.mllm.shards import Parts
from finer.progress import progress_bar
from finer.schemas import ITEMS, JUDGEMENTS, RESPONSES, TEXT, Table
from finer.scoring.judge_replies import REPLY_PARSERS
from finer.scoring.judge_requests import ANSWER, Request, prompt_of, requests_of
from finer.scoring.verdicts import check_complete
from finer.store import check_table, read_table, read_tables, table_from, write_table

BLOCK = 64  # requests between two saves
_REPLIES = Table("judge_replies", {"request_hash": TEXT, "reply": TEXT}, key=("request_hash",))


class Judge(Protocol):
    """Whoever gives verdicts."""

    @property
    def name(self) -> str:
        """What it is called in tables."""

    @property
    def revision(self) -> str:
        """What else its replies depend on: revision of the weights, of the rules."""

    def ask(self, requests: Sequence[Request]) -> Sequence[str]:
        """Return one reply a request, in their order; each depends on its request alone."""


@dataclass(frozen=True)
class Recorded:
    """A judge that is not here: all its replies must be on file."""

    name: str
    revision: str

    def ask(self, requests: Sequence[Request]) -> Sequence[str]:
        """Refuse: there is nobody to ask.

        Raises:
            InputError: always.
        """
        raise InputError(
            "no recorded reply of the judge", row=requests[0].hash, field="judge", found=f"{len(requests)} request(s)",
            expected=f"replies of {self.name} {self.revision} on file", cure="run the judge, or give its judgements",
        )  # fmt: skip


def judge_suite(
    suite: str, items: Sequence[str | Path], responses: Sequence[str | Path], judge: Judge, output: str | Path,
    *, wording: str = "structured", known: Sequence[str | Path] = (),
) -> pl.DataFrame:  # fmt: skip
    """Judge the responses of a suite and write JUDGEMENTS to ``output``; return them.

    Args:
        suite: its name in judge_prompts.yaml.
        items: files of ITEMS.
        responses: files of RESPONSES; every model variant must have answered every item.
        judge: who is asked what is not on file yet.
        output: file of JUDGEMENTS; one that exists is read first. A killed run resumes from its parts.
        wording: how the judge is asked.
        known: further files of JUDGEMENTS whose replies are reused.
    """
    asked, answered = read_tables(items, ITEMS), read_tables(responses, RESPONSES)
    check_complete(asked, answered)
    requests = requests_of(suite, wording, asked, answered)
    recorded = recorded_replies(judge, [*known, *([output] if Path(output).is_file() else [])])
    run_id = stable_key("judge", judge.name, judge.revision, prompt_of(suite, wording)[0])
    missing = sorted({one.hash: one for _, one in requests if one.hash not in recorded}.items())
    parts = _ask(judge, [request for _, request in missing], output)
    replies = {**recorded, **{key: (text, run_id) for key, text in parts.items()}}
    table = judgements(judge, requests, replies)
    write_table(table, JUDGEMENTS, output)
    _parts(judge, [request for _, request in missing], output).discard()
    return table


def judgements(
    judge: Judge, requests: Sequence[tuple[Mapping[str, str], Request]], replies: Mapping[str, tuple[str, str]]
) -> pl.DataFrame:
    """Return JUDGEMENTS of requests whose replies are known.

    Args:
        judge: whose replies they are.
        requests: key of the response, and the request about it.
        replies: hash of a request -> reply, id of the run that asked.
    """
    rows = []
    for answer, request in requests:
        reply, run_id = replies[request.hash]
        verdict = REPLY_PARSERS[request.parser](reply)
        rows.append(
            {
                "judge": judge.name, "judge_revision": judge.revision, "prompt": request.prompt, **answer,
                "request_hash": request.hash, "request": request.text, "reply": reply, "parser": request.parser,
                "verdict": verdict.value, "reason": verdict.reason, "unparsed": verdict.value is None,
                "run_id": run_id,
            }
        )  # fmt: skip
    made = table_from([{name: row[name] for name in JUDGEMENTS.columns} for row in rows], JUDGEMENTS)
    return check_table(made.sort(JUDGEMENTS.key), JUDGEMENTS)


def recorded_replies(judge: Judge, files: Sequence[str | Path]) -> dict[str, tuple[str, str]]:
    """Return hash of a request -> (reply, run id) of this revision of the judge.

    Raises:
        InputError: two different replies to one request.
    """
    found: dict[str, tuple[str, str]] = {}
    for file in files:
        own = read_table(file, JUDGEMENTS).filter(judge=judge.name, judge_revision=judge.revision)
        for key, reply, run_id in own.select("request_hash", "reply", "run_id").iter_rows():
            if found.setdefault(key, (reply, run_id))[0] != reply:
                raise InputError(
                    "two different replies to one request", file=file, row=key, field="reply", found=reply,
                    expected=found[key][0], cure="keep one of the files of judgements",
                )  # fmt: skip
    return found


def _ask(judge: Judge, requests: Sequence[Request], output: str | Path) -> dict[str, str]:
    """Return hash -> reply of all requests, asked block by block; each block is saved when it is answered."""
    blocks = [requests[start : start + BLOCK] for start in range(0, len(requests), BLOCK)]
    parts = _parts(judge, requests, output)
    done = sum(len(blocks[number]) for number in parts.done())
    with progress_bar(len(requests), f"judge {judge.name}", done=done) as bar:
        parts.fill(blocks, lambda block: _replies(judge, block), lambda block: bar.update(len(block)))
    frames = [read_table(parts.path(number), _REPLIES) for number in range(parts.blocks)]
    return {key: reply for frame in frames for key, reply in frame.iter_rows()}


def _parts(judge: Judge, requests: Sequence[Request], output: str | Path) -> Parts:
    signature = stable_key(judge.name, judge.revision, BLOCK, *(request.hash for request in requests))
    return Parts(output, _REPLIES, signature, -(-len(requests) // BLOCK))


def _replies(judge: Judge, requests: Sequence[Request]) -> pl.DataFrame:
    replies = list(judge.ask(requests))
    if len(replies) != len(requests):
        raise InputError("a judge that leaves replies out", field=judge.name, found=len(replies),
                         expected=f"{len(requests)} replies", cure="correct its back end")  # fmt: skip
    rows = [{"request_hash": one.hash, "reply": reply} for one, reply in zip(requests, replies, strict=True)]
    return table_from(rows, _REPLIES)


def judged_answers(rows: pl.DataFrame, judgements: pl.DataFrame | None, name: str) -> pl.DataFrame:
    """Return responses with the score of their judgement: its verdict, 0 and ``unparsed`` where it is unreadable.

    Args:
        rows: items joined with responses.
        judgements: JUDGEMENTS of them.
        name: the judge's name, or "any": whose they are.

    Raises:
        InputError: no judgements, of several judges or prompts, of other responses, or some missing.
    """
    if judgements is None:
        raise InputError("a judged suite without judgements", field="judgements", found="none",
                         expected="a table of judgements", cure="run its judging rule first")  # fmt: skip
    own = judgements if name == "any" else judgements.filter(judge=name)
    judges = own.select("judge", "judge_revision", "prompt").unique().sort("judge", "judge_revision", "prompt")
    if judges.height > 1 or (judges.is_empty() and rows.height):
        raise InputError(
            "judgements of one judge and prompt are wanted", field="judge", cure="give one judge's file",
            found=", ".join(" ".join(row) for row in judges.iter_rows()) or "none", expected=name,
        )  # fmt: skip
    columns = ["judge", "parser", "verdict", "request"]
    joined = rows.join(own.select(*ANSWER, *columns, pl.col("unparsed").alias("_unread")), on=list(ANSWER), how="left")
    lost = joined.filter(pl.col("judge").is_null() | ~pl.col("request").str.contains(pl.col("text"), literal=True))
    if lost.height:
        row = lost.row(0, named=True)
        raise InputError(
            "a response without a judgement of it", row=row["item_id"], field="judgements",
            found="none" if row["judge"] is None else "a judgement of another text",
            expected=f"one of the response of {row['model']} {row['variant']}", cure="run the judging rule again",
        )  # fmt: skip
    said = pl.when(pl.col("_unread")).then(pl.lit("unread")).otherwise(pl.format("{}", "verdict"))
    return joined.with_columns(
        score=pl.col("verdict").fill_null(0.0), unparsed=pl.col("_unread"),
        read=pl.format("{}:{} {}", "judge", "parser", said),
    )  # fmt: skip
