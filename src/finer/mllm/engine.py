"""Asking an MLLM: greedy text, the log-probability of labels as first token, the likelihood of options.

Two paths give the same answers: the fast one computes image and shared prompt once for all questions of
an image (prefix.py), the plain one asks question by question through ``generate`` and is the reference.
Greedy means the likeliest token, whatever sampling or penalties a checkpoint's own generation config holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from transformers import GenerationConfig
from transformers.utils import logging as transformers_logging

from finer.errors import InputError
from finer.mllm import families, prefix
from finer.mllm.dialogue import Dialogue
from finer.mllm.prefix import Row, Suffixes

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Query:
    """One question about one image (None: text alone)."""

    key: str
    image: Path | None
    prompt: str
    labels: tuple[str, ...] = ()  # whose log-probability as next token is wanted


@dataclass(frozen=True)
class Answer:
    """What the model says: greedy text, and natural log-probabilities of the query's labels over the vocabulary."""

    key: str
    text: str
    logprobs: tuple[float, ...]


@dataclass(frozen=True)
class Scores:
    """Natural log-probabilities of whole options as the answer: sums over their tokens, and means a token."""

    key: str
    sums: tuple[float, ...]
    means: tuple[float, ...]


class Engine(Protocol):
    """What a model must be able to do to be asked."""

    name: str

    def answer(self, queries: Sequence[Query], max_new_tokens: int) -> list[Answer]:
        """Return one answer a query, in their order."""

    def score_continuations(self, queries: Sequence[Query], options: Sequence[Sequence[str]]) -> list[Scores]:
        """Return, for each query, the likelihood of each of its options as the answer."""


def open_image(path: Path) -> Image.Image:
    """Read an image as RGB.

    Raises:
        InputError: there is no such file, or it is not a whole image.
    """
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError as error:
        raise InputError("no such image", file=path, expected="an image file", cure="rebuild the benchmark") from error
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(
            "the image cannot be read", file=path, found=str(error), expected="a whole JPEG or PNG file",
            cure="fetch or render the file again",
        ) from error  # fmt: skip


class TransformersEngine:
    """A checkpoint in this process."""

    name = "transformers"

    def __init__(
        self,
        model_path: str | Path,
        family: str,
        dtype: str = "float32",
        device: str = "cpu",
        attention: str = "sdpa",
        prefix_reuse: bool = True,
        batch_tokens: int = 8192,
        revision: str | None = None,
    ) -> None:
        """Load a model.

        Args:
            batch_tokens: tokens in one forward pass, each row with its prefix.

        Raises:
            InputError: the checkpoint cannot be loaded or is of another family.
        """
        transformers_logging.disable_progress_bar()  # its bars for loading weights would fill the logs
        self.model: Any
        self.model, processor = families.load(model_path, DTYPES[dtype], device, attention, revision)
        found = families.family_of(self.model).name
        if found != family:
            raise InputError(
                "the checkpoint is of another family", file=model_path, field="family", found=found, expected=family,
                cure="correct the model's entry in the configuration",
            )  # fmt: skip
        self.dialogue = Dialogue(processor, family)
        self.prefix_reuse = prefix_reuse
        self.batch_tokens = batch_tokens
        self.ends, self.pad = self._special_tokens()
        self.model.generation_config = GenerationConfig(eos_token_id=sorted(self.ends), pad_token_id=self.pad)
        self._runner = prefix.PrefixModel(self.model, family)

    def _special_tokens(self) -> tuple[frozenset[int], int]:
        tokenizer = self.dialogue.tokenizer
        ends = self.model.generation_config.eos_token_id
        ends = tokenizer.eos_token_id if ends is None else ends
        ends = frozenset([ends] if isinstance(ends, int) else ends)
        return ends, min(ends) if tokenizer.pad_token_id is None else tokenizer.pad_token_id

    @torch.inference_mode()
    def answer(self, queries: Sequence[Query], max_new_tokens: int) -> list[Answer]:
        """Return one answer a query, in their order; queries of one image should come in one call."""
        labels = {query.labels: torch.tensor(self.dialogue.label_ids(query.labels)) for query in queries}
        answers: dict[int, Answer] = {}
        for places, logits, tokens in self._first_tokens(queries, max_new_tokens):
            logprobs = logits.log_softmax(-1)
            for row, place in enumerate(places):
                query = queries[place]
                wanted = logprobs[row, labels[query.labels]].tolist() if query.labels else []
                answers[place] = Answer(query.key, self._decode(tokens[row]), tuple(wanted))
        return [answers[place] for place in range(len(queries))]

    def _first_tokens(
        self, queries: Sequence[Query], max_new_tokens: int
    ) -> Iterator[tuple[list[int], Tensor, list[list[int]]]]:
        """Yield places of queries, logits of their first new token (n, vocabulary), and their greedy tokens."""
        if not self.prefix_reuse:
            for place, query in enumerate(queries):
                logits, tokens = self._generate(query, max_new_tokens)
                yield [place], logits, [tokens]
            return
        for places, _, suffixes in self._suffixes(queries, [()] * len(queries)):
            logits = suffixes.last_logits()
            steps = [logits.argmax(-1)]
            ended = self._is_end(steps[0])
            while len(steps) < max_new_tokens and not bool(ended.all()):
                steps.append(suffixes.advance(steps[-1]).argmax(-1))
                ended |= self._is_end(steps[-1])
            yield places, logits, torch.stack(steps, 1).tolist()

    def _suffixes(
        self, queries: Sequence[Query], answers: Sequence[tuple[int, ...]], owners: Sequence[int] | None = None
    ) -> Iterator[tuple[list[int], list[Row], Suffixes]]:
        """Run query ``owners[i]`` followed by the tokens ``answers[i]``, in batches: places, rows, hidden states."""
        owners = list(range(len(queries))) if owners is None else owners
        groups = self._groups(queries, answers, owners)
        for groups_of_wave in prefix.waves(groups, self.batch_tokens):
            wave = self._runner.open(groups_of_wave)
            for batch in prefix.batches(wave, self.batch_tokens):
                rows = [wave.rows[place] for place in batch]
                yield [row.index for row in rows], rows, self._runner.run(wave, batch)

    def _groups(
        self, queries: Sequence[Query], answers: Sequence[tuple[int, ...]], owners: Sequence[int]
    ) -> Iterator[prefix.Group]:
        texts = [self.dialogue.text(query.prompt, query.image is not None) for query in queries]
        ids = self.dialogue.ids(texts)
        by_image: dict[Path | None, list[int]] = {}
        for place, owner in enumerate(owners):
            by_image.setdefault(queries[owner].image, []).append(place)
        for image, places in by_image.items():
            rows = [Row(place, (*ids[owners[place]], *answers[place]), len(answers[place])) for place in places]
            if image is None:
                yield prefix.text_group(rows)
            else:
                yield prefix.image_group(self.dialogue, open_image(image), texts[owners[places[0]]], rows)

    def _generate(self, query: Query, max_new_tokens: int) -> tuple[Tensor, list[int]]:
        inputs = self._inputs(query)
        output = self.model.generate(
            **inputs, max_new_tokens=max_new_tokens, do_sample=False, output_logits=True, return_dict_in_generate=True
        )
        return output.logits[0].float().cpu(), output.sequences[0, inputs["input_ids"].shape[1] :].tolist()

    def _inputs(self, query: Query, answer: str = "") -> dict[str, Tensor]:
        text = self.dialogue.text(query.prompt, query.image is not None)
        text += self.dialogue.answer_text(answer) if answer else ""
        images = {} if query.image is None else {"images": [[open_image(query.image)]]}
        encoded = self.dialogue.processor(text=[text], return_tensors="pt", **images)
        return self._runner.placed(dict(encoded))

    def _is_end(self, tokens: Tensor) -> Tensor:
        return torch.isin(tokens, torch.tensor(sorted(self.ends)))

    def _decode(self, tokens: Sequence[int]) -> str:
        kept = []
        for token in tokens:
            if token in self.ends:
                break
            kept.append(token)
        text: str = self.dialogue.tokenizer.decode(kept, skip_special_tokens=True)
        return text

    @torch.inference_mode()
    def score_continuations(self, queries: Sequence[Query], options: Sequence[Sequence[str]]) -> list[Scores]:
        """Return, for each query, sums and per-token means of the log-probabilities of its options as the answer.

        Only the option's own tokens count, not the end of the turn.
        """
        if not queries:
            return []
        answers = [self.dialogue.answer_ids(option) for some in options for option in some]
        owners = [place for place, some in enumerate(options) for _ in some]
        sums = [0.0] * len(answers)
        if self.prefix_reuse:
            for places, rows, suffixes in self._suffixes(queries, answers, owners):
                for place, value in zip(places, _answer_sums(rows, suffixes), strict=True):
                    sums[place] = value
        else:
            flat = [option for some in options for option in some]
            sums = [self._plain_sum(queries[owners[i]], flat[i], len(answers[i])) for i in range(len(flat))]
        result = []
        for place, query in enumerate(queries):
            own = [i for i, owner in enumerate(owners) if owner == place]
            means = tuple(sums[i] / len(answers[i]) for i in own)
            result.append(Scores(query.key, tuple(sums[i] for i in own), means))
        return result

    def _plain_sum(self, query: Query, option: str, tokens: int) -> float:
        inputs = self._inputs(query, option)
        if self._runner.qwen:
            self.model.model.rope_deltas = None
        logprobs = self.model(**inputs).logits[0, -tokens - 1 : -1].float().cpu().log_softmax(-1)
        return float(logprobs.gather(1, inputs["input_ids"][0, -tokens:, None].cpu()).sum())


def _answer_sums(rows: Sequence[Row], suffixes: Suffixes) -> list[float]:
    """Return for each row the summed log-probability of its answer tokens."""
    counts = torch.tensor([row.answer_tokens for row in rows])
    row = torch.repeat_interleave(torch.arange(len(rows)), counts)
    step = torch.cat([torch.arange(int(count)) for count in counts])
    # The state at one token predicts the next: the last `count` tokens are predicted from one place earlier.
    place = suffixes.lengths[row] - counts[row] - 1 + step
    targets = torch.tensor([token for item in rows for token in item.ids[len(item.ids) - item.answer_tokens :]])
    picked = suffixes.logits(row, place).log_softmax(-1).gather(1, targets[:, None])[:, 0].double()
    return torch.zeros(len(rows), dtype=torch.double).index_add_(0, row, picked).tolist()
