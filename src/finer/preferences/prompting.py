"""What phraser and editor need of a language model: to be asked, and to fill in their role's template."""

from __future__ import annotations

from typing import Protocol

from finer.chat.asking import Asker


class Prompting(Asker, Protocol):
    """A language model in a role, which fills in the role's template."""

    def fill(self, **fields: object) -> str:
        """Return the template with these fields."""
