"""Replies of the loopback server that a tiny real model gives, as vLLM's server would serve it."""

from __future__ import annotations

import base64
import math
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finer.mllm.engine import TransformersEngine
from finer.mllm.questions import Query
from loopback import Said, prompt_of

LABELS = ("A", "B", "C", "D", "E", "Yes", "No")


def served(engine: TransformersEngine, shift: float = 0.0) -> Callable[[dict[str, Any]], Said]:
    """Return a reply function: greedy text of the model, log-probabilities of letters, yes and no.

    ``shift`` is added to the log-probability of "A": a server that is not quite the same model.
    """
    lock = threading.Lock()  # the server answers in threads
    folder = Path(tempfile.mkdtemp())

    def reply(request: dict[str, Any]) -> Said:
        content = request["messages"][-1]["content"]
        pictures = [] if isinstance(content, str) else [part for part in content if part["type"] == "image_url"]
        with lock:
            image = None
            if pictures:
                image = folder / "shown.png"
                image.write_bytes(base64.b64decode(pictures[0]["image_url"]["url"].split(",")[1]))
            query = Query("q", image, prompt_of(request), LABELS)
            answer = engine.answer([query], request["max_tokens"])[0]
        told = dict(zip(LABELS, answer.logprobs, strict=True))
        return Said(
            answer.text, logprobs={label: (value or 0.0) + shift * (label == "A") for label, value in told.items()}
        )

    return reply


def always(text: str) -> Callable[[dict[str, Any]], Said]:
    """Return a reply function that says the same to everything and is rather sure of it."""
    return lambda request: Said(text, logprobs={text: math.log(0.9)})
