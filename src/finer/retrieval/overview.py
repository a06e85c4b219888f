"""The registry -> the table of docs/paper.md, so that the page says what the registry says."""

from __future__ import annotations

from finer.retrieval.sources import Counts, Fetch, Git, Hub, registry

HEADER = "| name | from | demanded | believed, or not seen here |\n| --- | --- | --- | --- |\n"


def overview() -> str:
    """Return a Markdown table with one row a source."""
    rows = []
    for name, source in registry().items():
        places = ", ".join(dict.fromkeys(map(_place, source.fetch)))
        demanded = "; ".join([*_hashes(source.fetch), *_told(source.expected)])
        doubtful = "; ".join([*_told(source.believed), *([source.note] if source.note else [])])
        rows.append(f"| `{name}` | {places} | {demanded} | {doubtful} |\n")
    return HEADER + "".join(rows)


def _place(part: Fetch) -> str:
    if isinstance(part, Hub):
        return f"hub `{part.hub}`"
    if isinstance(part, Git):
        return f"GitHub `{part.git}` at {part.commit[:7]}"
    return f"`{part.address.split('/')[2]}`" if part.address else f"[by hand]({part.page})"


def _hashes(fetch: list[Fetch]) -> list[str]:
    known = [part for part in fetch if not isinstance(part, Hub | Git)]
    return [f"MD5 of `{part.file}`" for part in known if part.md5] + [f"SHA-256 of `{part.file}`" for part in known
                                                                     if part.sha256]  # fmt: skip


def _told(counts: Counts) -> list[str]:
    rows = [f"{number:,} rows of `{file.rpartition('/')[2]}`" for file, number in counts.rows.items()]
    images = sum(counts.images.values())
    return [*rows, *([f"{images:,} images"] if images else [])]
