"""Asking an MLLM: greedy text, the log-probability of labels as first token, that of options and of their first words.

Two paths give the same answers: the fast one computes image and shared prompt once for all questions of
an image (prefix.py), the plain one asks question by question through ``generate`` and is the reference.
Greedy means the likeliest token, whatever sampling or penalties a checkpoint's own generation config holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import transformers
from torch import Tensor
from transformers import GenerationConfig
from transformers.utils import logging as transformers_logging

from finer.errors import InputError
from finer.mllm import adapters, families, prefix
from finer.mllm.dialogue import Dialogue
from finer.mllm.images import AS_THE_CHECKPOINT_SAYS, Images, open_image
from finer.mllm.prefix import Row, Suffixes
from finer.mllm.questions import Answer, Query, Scores, option_scores

if TYPE_CHECKING:
    from finer.config import Evaluation
    from finer.mllm.registry import Checkpoint

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class TransformersEngine:
    """A checkpoint in this process."""

    name = f"transformers {transformers.__version__}"
    scores = True

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
        images: Images = AS_THE_CHECKPOINT_SAYS,
        max_memory: Mapping[str, str] | None = None,
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
        self.model, processor = families.load(
            model_path, DTYPES[dtype], device, attention, revision, images, max_memory
        )
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
            result.append(option_scores(query.key, some, ids, covering, found))
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


def load(checkpoint: Checkpoint, settings: Evaluation) -> TransformersEngine:
    """Load the model of a checkpoint as the evaluation settings want it asked."""
    assert checkpoint.family is not None  # the configuration sees to it
    return TransformersEngine(
        checkpoint.path, checkpoint.family, dtype=checkpoint.dtype, device=checkpoint.device,
        attention=checkpoint.attention, prefix_reuse=settings.prefix_reuse, batch_tokens=settings.batch_tokens,
        adapter=checkpoint.adapter, images=checkpoint.images, max_memory=checkpoint.max_memory,
    )  # fmt: skip
