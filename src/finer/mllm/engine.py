"""Asking an MLLM: greedy text, the log-probability of labels as first token, that of options and of their first words.

Two paths give the same answers: the fast one computes image and shared prompt once for all questions of
an image (prefix.py), the plain one asks question by question through ``generate`` and is the reference.
Greedy means the likeliest token, whatever sampling or penalties a checkpoint's own generation config holds.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from transformers import GenerationConfig
from transformers.utils import logging as transformers_logging

from finer.errors import InputError
from finer.firstwords import first_word
from finer.mllm import adapters, families, prefix
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
    """Natural log-probabilities of options as the answer: sums over their tokens, means a token, their first words'."""

    key: str
    sums: tuple[float, ...]
    means: tuple[float, ...]
    firsts: tuple[float, ...]  # one value a distinct first word


class Engine(Protocol):
    """What a model must be able to do to be asked."""

    name: str

    def answer(self, queries: Sequence[Query], max_new_tokens: int) -> list[Answer]:
        """Return one answer a query, in their order."""

    def score_continuations(self, queries: Sequence[Query], options: Sequence[Sequence[str]]) -> list[Scores]:
        """Return, for each query, the likelihood of each of its options, and of their first words, as the answer."""


def open_image(path: Path) -> Image.Image:
    """Read an image as RGB.

    Raises:
        InputError: there is no such file, or it is not a whole image.
    """
    with _readable(path) as image:
        return image.convert("RGB")


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height of an image from its header, without decoding it.

    Raises:
        InputError: there is no such file, or it is no image.
    """
    with _readable(path) as image:
        return image.size


@contextmanager
def _readable(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path) as image:
            yield image
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
        adapter: str | Path | None = None,
    ) -> None:
        """Load a model.

        Args:
            adapter: folder of an adapter to merge into the weights.
            batch_tokens: tokens in one forward pass, each row with its prefix.

        Raises:
            InputError: the checkpoint cannot be loaded or is of another family.
        """
        transformers_logging.disable_progress_bar()  # its bars for loading weights would fill the logs
        self.model: Any
        self.model, processor = families.load(model_path, DTYPES[dtype], device, attention, revision)
        if adapter is not None:
            self.model = adapters.merged(self.model, adapter)
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
        for places, suffixes in self._suffixes(queries):
            logits = suffixes.last_logits()
            steps = [logits.argmax(-1)]
            ended = self._is_end(steps[0])
            while len(steps) < max_new_tokens and not bool(ended.all()):
                steps.append(suffixes.advance(steps[-1]).argmax(-1))
                ended |= self._is_end(steps[-1])
            yield places, logits, torch.stack(steps, 1).tolist()

    def _suffixes(self, queries: Sequence[Query]) -> Iterator[tuple[list[int], Suffixes]]:
        """Run the queries in batches: their places and their hidden states."""
        for groups in prefix.waves(self._groups(queries), self.batch_tokens):
            wave = self._runner.open(groups)
            for batch in prefix.batches(wave, self.batch_tokens):
                yield [wave.rows[place].index for place in batch], self._runner.run(wave, batch)

    def _groups(self, queries: Sequence[Query]) -> Iterator[prefix.Group]:
        if not queries:
            return
        texts = [self.dialogue.text(query.prompt, query.image is not None) for query in queries]
        ids = self.dialogue.ids(texts)
        by_image: dict[Path | None, list[int]] = {}
        for place, query in enumerate(queries):
            by_image.setdefault(query.image, []).append(place)
        for image, places in by_image.items():
            rows = [Row(place, tuple(ids[place])) for place in places]
            if image is None:
                yield prefix.text_group(rows)
            else:
                yield prefix.image_group(self.dialogue, open_image(image), texts[places[0]], rows)

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
        """Return, for each query, the log-probabilities of its options as the answer and of their first words.

        Only the option's own tokens count, not the end of the turn.
        """
        answers = [self.dialogue.answers_ids(some) for some in options]
        values = self._token_logprobs(queries, options, answers)
        result = []
        for query, some, ids, found in zip(queries, options, answers, values, strict=True):
            covering = [self.dialogue.covering(text, one) for text, one in zip(some, ids, strict=True)]
            sums = tuple(math.fsum(one) for one in found)
            means = tuple(total / len(one) for total, one in zip(sums, ids, strict=True))
            result.append(Scores(query.key, sums, means, _first_words(some, ids, covering, found)))
        return result

    def _token_logprobs(
        self, queries: Sequence[Query], options: Sequence[Sequence[str]], answers: Sequence[Sequence[tuple[int, ...]]]
    ) -> list[list[list[float]]]:
        """Return the log-probability of every token ``answers[q][o][t]`` after what stands before it."""
        if not self.prefix_reuse:
            return [
                [self._plain_logprobs(query, text, len(ids)) for text, ids in zip(some, tokens, strict=True)]
                for query, some, tokens in zip(queries, options, answers, strict=True)
            ]
        values: dict[int, list[list[float]]] = {}
        for places, suffixes in self._suffixes(queries):
            # Every answer of a question begins after the same hidden state, so equal first tokens get equal values.
            first = suffixes.last_logits().log_softmax(-1)
            tokens = [_copied(answers[place], suffixes.mask.shape[1]) for place in places]
            for chunk in prefix.chunks(tokens, self.batch_tokens):
                rows = [(row, ids) for row in chunk for ids in answers[places[row]]]
                later = iter(self._later_logprobs(suffixes, rows))
                for row in chunk:
                    values[places[row]] = [[float(first[row, ids[0]]), *next(later)] for ids in answers[places[row]]]
        return [values[place] for place in range(len(queries))]

    def _later_logprobs(self, suffixes: Suffixes, rows: Sequence[tuple[int, tuple[int, ...]]]) -> list[list[float]]:
        """Return, for answers to rows of a batch, the log-probabilities of all their tokens but the first."""
        counts = torch.tensor([len(ids) - 1 for _, ids in rows])
        if int(counts.max()) == 0:
            return [[] for _ in rows]
        branch = self._runner.branch(suffixes, torch.tensor([row for row, _ in rows]), [ids[:-1] for _, ids in rows])
        row = torch.repeat_interleave(torch.arange(len(rows)), counts)
        place = torch.cat([torch.arange(int(count)) for count in counts])
        targets = torch.tensor([token for _, ids in rows for token in ids[1:]])
        picked = branch.logits(row, place).log_softmax(-1).gather(1, targets[:, None])[:, 0]
        return [part.tolist() for part in torch.split(picked, counts.tolist())]

    def _plain_logprobs(self, query: Query, option: str, tokens: int) -> list[float]:
        inputs = self._inputs(query, option)
        if self._runner.qwen:
            self.model.model.rope_deltas = None
        logprobs = self.model(**inputs).logits[0, -tokens - 1 : -1].float().cpu().log_softmax(-1)
        found: list[float] = logprobs.gather(1, inputs["input_ids"][0, -tokens:, None].cpu())[:, 0].tolist()
        return found


def _copied(answers: Sequence[tuple[int, ...]], before: int) -> int:
    """Return how many tokens a question's answers take when each stands after a copy of what is before it."""
    return len(answers) * (before + max(map(len, answers)))


def _first_words(
    options: Sequence[str],
    ids: Sequence[tuple[int, ...]],
    covering: Sequence[int],
    values: Sequence[Sequence[float]],
) -> tuple[float, ...]:
    """Return the log-probability of each option's first word: exactly one value a word, whatever the option.

    A word's chance is that of the tokens that cover it. Where tokens are longer than words, options may begin with
    the same word by different tokens: these exclude each other, so their chances add up.
    """
    ways: dict[str, dict[tuple[int, ...], float]] = {}
    for option, tokens, count, found in zip(options, ids, covering, values, strict=True):
        ways.setdefault(first_word(option), {}).setdefault(tokens[:count], math.fsum(found[:count]))
    words = {word: _log_sum(list(some.values())) for word, some in ways.items()}
    return tuple(words[first_word(option)] for option in options)


def _log_sum(values: Sequence[float]) -> float:
    """Return log(sum(exp(values))), exactly the value itself if there is but one."""
    top = max(values)
    if len(values) == 1 or top == -math.inf:
        return top
    return top + math.log(math.fsum(math.exp(value - top) for value in values))
