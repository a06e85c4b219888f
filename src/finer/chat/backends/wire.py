"""Turns of a conversation as OpenAI's protocol writes them, images inline; vLLM reads the same."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from PIL import Image

from finer.chat.messages import Message


def turn(message: Message) -> dict[str, Any]:
    """Return one turn; images stand before the text."""
    if not message.images:
        return {"role": message.role, "content": message.text}
    shown = [{"type": "image_url", "image_url": {"url": data_url(path)}} for path in message.images]
    return {"role": message.role, "content": [*shown, {"type": "text", "text": message.text}]}


def data_url(path: Path) -> str:
    """Return an image file as it is, inline."""
    with Image.open(path) as image:
        kind = Image.MIME.get(image.format or "", "application/octet-stream")
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
