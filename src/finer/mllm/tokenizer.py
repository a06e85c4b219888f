"""The micro models' tokenizer: byte-level BPE whose pieces are words, or runs of function words and punctuation.

A question of the benchmarks has few words that matter among many that do not. "No, but I can see a ball with a red
color." is seven tokens here (No | , but I can see a | ball | with a | red | color.) instead of fourteen: half the cost,
and a word is the same token wherever it stands. Any other text works too, if need be byte by byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files

import yaml
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from finer.errors import InputError

LETTERS = ("A", "B", "C", "D", "E")
SINGLE_TOKENS = (*LETTERS, "Yes", "No")


@cache
def _runs() -> str:
    """Return a pattern of runs of function words, with the spaces and punctuation around them."""
    loaded = yaml.safe_load(files(__package__).joinpath("function_words.yaml").read_text(encoding="utf-8"))
    words = "|".join(sorted(set(loaded["words"].split()), key=lambda word: (-len(word), word)))
    return rf"(?:[^\p{{L}}\p{{N}}]+|\b(?:{words})\b)+"


def build_tokenizer(
    corpus: Iterable[str], size: int, special: Sequence[str], extra: Mapping[str, str], pad: str, end: str, longest: int
) -> PreTrainedTokenizerFast:
    """Train a tokenizer; letters, "Yes" and "No" are single tokens.

    Args:
        corpus: texts to learn from.
        size: largest vocabulary, special tokens and the 256 bytes included.
        special: special tokens.
        extra: named special tokens that a processor expects on the tokenizer.
        pad: the special token that pads.
        end: the special token that ends an answer.
        longest: tokens of the longest sequence.

    Raises:
        InputError: the vocabulary is too small for the single tokens.
    """
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_runs()), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, show_progress=False, special_tokens=list(special),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    words = [word for word in SINGLE_TOKENS if len(word) > 1]
    texts = list(corpus)
    # Each needed word often enough that it is merged before rarer words use up the vocabulary.
    raw.train_from_iterator([*texts, *(words * (len(texts) + 2))], trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, pad_token=pad, eos_token=end, padding_side="left", model_max_length=longest,
        extra_special_tokens=dict(extra), clean_up_tokenization_spaces=False,
    )  # fmt: skip
    for word in SINGLE_TOKENS:
        ids = tokenizer(word, add_special_tokens=False).input_ids
        if len(ids) != 1:
            raise InputError(f"'{word}' is not a single token", found=ids, cure="enlarge the vocabulary")
    return tokenizer
