"""A definition -> an image, by Apptainer's client; run by ``finer.containers.build`` inside the confined corner."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(definition: str, image: str, options: list[str]) -> int:
    """Build ``image``; return the exit code."""
    from spython.main import Client

    Path(image).unlink(missing_ok=True)
    # --fakeroot: in a user namespace, where root lacks no capability. The client's own recipe parser is not used: it
    # does not know debootstrap.
    Client.build(recipe=definition, image=image, sudo=False, options=["--fakeroot", *options])
    return 0 if Path(image).is_file() else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
