"""One cluster for all tests of this folder: started if none runs, and then stopped again."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from one_node import CannotRunError, cluster


@pytest.fixture(scope="session")
def slurm() -> Iterator[Mapping[str, str]]:
    """The environment to submit from."""
    try:
        with cluster() as environment:
            yield environment
    except CannotRunError as error:
        pytest.exit(f"cluster tests cannot run here: {error}", returncode=1)
