"""Models in the job's own process: a tiny random one replies greedily, alone as in a batch; vLLM is missed by name."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from chatting import Colours
from finer.chat.backends.transformers import TransformersBackend
from finer.chat.forms import strict_schema
from finer.chat.messages import Message, Reply, Request
from finer.chat.service import Service
from finer.config.language import Backend, LanguageModel
from finer.errors import InputError

TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}{% if shout is defined and shout %}!{% endif %}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a random causal model with a byte-level tokenizer and a chat template."""
    place = tmp_path_factory.mktemp("tiny_lm")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(BPE({letter: number for number, letter in enumerate(letters)}, merges=[]))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>", pad_token="<pad>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<system>", "<user>", "<assistant>"]})
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(place)
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight *= 6.0  # the usual initial weights reply the same to everything
    model.save_pretrained(place)
    return place


def entry(folder: Path, **changes: object) -> LanguageModel:
    return LanguageModel.model_validate({"backend": "in", "model": str(folder), "dtype": "float32", **changes})


def asked(text: str, max_tokens: int = 12, logprobs: int = 0) -> Request:
    return Request((Message("system", "s"), Message("user", text)), max_tokens, logprobs=logprobs)


def by_hand(folder: Path, text: str, count: int) -> tuple[list[int], torch.Tensor]:
    """Return greedy tokens, each from a whole forward pass, and the first log-probabilities."""
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    ids = tokenizer(f"<system>s<end><user>{text}<end><assistant>", add_special_tokens=False).input_ids
    made: list[int] = []
    first = torch.empty(0)
    with torch.inference_mode():
        while len(made) < count:
            logits = model(torch.tensor([ids + made])).logits[0, -1]
            first = torch.log_softmax(logits, -1) if not made else first
            made.append(int(logits.argmax()))
            if made[-1] == tokenizer.eos_token_id:
                break
    return made, first


TEXTS = ("a", "what is this, and what is that?", "red", "a much longer question " * 5, "Ünïcödé")


def test_a_batch_replies_as_greedy_decoding_by_hand(folder: Path) -> None:
    backend = TransformersBackend(entry(folder))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    requests = [asked(text, 4 + 3 * number, logprobs=3) for number, text in enumerate(TEXTS)]
    for request, answer, text in zip(requests, backend.answers(requests), TEXTS, strict=True):
        made, first = by_hand(folder, text, request.max_tokens)
        reply = answer.result
        assert isinstance(reply, Reply)
        ended = made[-1] == tokenizer.eos_token_id
        assert reply.text == tokenizer.decode(made, skip_special_tokens=True)
        assert (reply.finish, reply.output_tokens) == ("stop" if ended else "length", len(made))
        assert reply.input_tokens == len(tokenizer(f"<system>s<end><user>{text}<end><assistant>").input_ids)
        values, ids = first.topk(3)
        assert [token for token, _ in reply.logprobs] == [tokenizer.decode([token]) for token in ids.tolist()]
        assert [value for _, value in reply.logprobs] == pytest.approx(values.tolist(), abs=1e-4)
        assert sum(math.exp(value) for _, value in reply.logprobs) <= 1


def test_a_model_in_process_is_cached_like_any_other(folder: Path, tmp_path: Path) -> None:
    place = Backend(kind="transformers")
    requests = [asked(f"number {number}") for number in range(11)]
    with Service("tiny", entry(folder), place, tmp_path) as model:
        found = model.send(requests)
        assert model.asked == 11
    with Service("tiny", entry(folder), place, tmp_path) as model:
        assert model.send(requests) == found and model.asked == 0
    texts = {reply.text for reply in found if isinstance(reply, Reply)}
    assert len(texts) > 5  # the replies depend on what is asked


def test_arguments_of_the_chat_template_reach_it(folder: Path) -> None:
    plain = TransformersBackend(entry(folder)).answers([asked("hello")])[0].result
    loud = TransformersBackend(entry(folder, options={"shout": True})).answers([asked("hello")])[0].result
    assert isinstance(plain, Reply) and isinstance(loud, Reply) and loud.input_tokens == plain.input_tokens + 1


def test_what_a_text_model_cannot_do_is_refused(folder: Path, tmp_path: Path) -> None:
    backend = TransformersBackend(entry(folder))
    with pytest.raises(InputError, match="cannot see"):
        backend.answers([Request((Message("user", "x", (tmp_path / "a.png",)),), 5)])
    with pytest.raises(InputError, match="greedily"):
        backend.answers([Request((Message("user", "x"),), 5, temperature=1.0)])
    with pytest.raises(InputError, match="cannot be loaded"):
        TransformersBackend(entry(tmp_path / "nothing"))


def test_a_model_without_a_chat_template_is_refused(folder: Path, tmp_path: Path) -> None:
    AutoModelForCausalLM.from_pretrained(folder).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="without a chat template"):
        TransformersBackend(entry(tmp_path))


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_vllm_that_is_not_installed_is_named(tmp_path: Path) -> None:
    place = Backend(kind="vllm")
    with (
        Service("big", LanguageModel(backend="in", model="some/model"), place, tmp_path) as model,
        pytest.raises(InputError, match="vLLM is not installed") as missing,
    ):
        model.send([Request((Message("user", "x"),), 5, schema=strict_schema(Colours))])
    assert "kind: http" in str(missing.value)
