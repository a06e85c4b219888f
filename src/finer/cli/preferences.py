"""Verbs that turn long captions into preference pairs, and exchange these."""

from __future__ import annotations

from finer.cli.verb import Arguments, settings, verb


@verb(
    "config", "source", ("reader", {"choices": ["pixmo", "docci"]}), ("words", {"type": int}), "raw", "folder", "out",
    "captions", "drops",
)  # fmt: skip
def read_long_captions(a: Arguments) -> None:
    """Read and check long captions with their images, and cut what is too long."""
    import polars as pl

    from finer.preferences.cut import cut_captions
    from finer.raw.docci import read_docci
    from finer.raw.pixmo import read_pixmo
    from finer.schemas import CAPTIONS, DROPS, IMAGES
    from finer.store import write_table

    values = settings(a.config)
    bad, split = values["on_bad_item"], values["split"]
    raw = (
        read_pixmo(a.raw, a.folder, a.source, split or "all", bad)
        if a.reader == "pixmo"
        else read_docci(a.raw, a.folder, a.source, split, bad)
    )
    captions, drops = cut_captions(raw.captions, a.words)
    write_table(pl.concat([raw.drops, drops]), DROPS, a.drops)
    write_table(captions, CAPTIONS, a.captions)
    write_table(raw.images, IMAGES, a.out)


@verb("config", "source", "file", "folder", "images", "out", "drops")
def import_sharegpt(a: Arguments) -> None:
    """Read finished preference pairs in ShareGPT's form."""
    from finer.preferences import sharegpt
    from finer.schemas import DROPS, IMAGES, PREFERENCES
    from finer.store import write_table

    values = settings(a.config)
    raw = sharegpt.import_sharegpt(a.file, a.folder, a.source, values["on_bad_item"], values["split"] or "train")
    write_table(raw.drops, DROPS, a.drops)
    write_table(raw.images, IMAGES, a.images)
    write_table(raw.preferences, PREFERENCES, a.out)


@verb("config", "source", "captions", "elements", "out", "drops")
def phrase(a: Arguments) -> None:
    """State a true phrase for each caption and type, by rule."""
    from finer.preferences.stages import state_phrases
    from finer.schemas import CAPTIONS, DROPS, ELEMENTS, PHRASES
    from finer.store import read_table, write_table

    captions, elements = read_table(a.captions, CAPTIONS), read_table(a.elements, ELEMENTS)
    phrases, drops = state_phrases(captions, elements, a.source, settings(a.config)["seed"])
    write_table(drops, DROPS, a.drops)
    write_table(phrases, PHRASES, a.out)


@verb("config", "chat", "code", "source", "captions", "out", "drops", "calls", "run")
def phrase_by_model(a: Arguments) -> None:
    """State a true phrase for each caption and type, by a language model."""
    from finer.mllm.asked import in_role
    from finer.preferences.model_phraser import ModelPhraser
    from finer.schemas import CAPTIONS, DROPS, ELEMENTS, PHRASES
    from finer.store import read_table, write_table

    captions, seed = read_table(a.captions, CAPTIONS), settings(a.config)["seed"]
    with in_role(a.chat, ["phraser"], "phrase-by-model", a.code, a.config, a.calls, a.run) as (role,):
        phrases, drops = ModelPhraser(role)(captions, ELEMENTS.empty(), a.source, seed)
    write_table(drops, DROPS, a.drops)
    write_table(phrases, PHRASES, a.out)


@verb("config", "source", "phrases", "elements", "captions", "out", "drops")
def edit(a: Arguments) -> None:
    """Replace one slot of each phrase by something plausible and wrong, by rule."""
    from finer.config import Preferences
    from finer.preferences.stages import edit_phrases
    from finer.schemas import CAPTIONS, DROPS, EDITS, ELEMENTS, PHRASES
    from finer.store import read_table, write_table

    values = settings(a.config)
    edits, drops = edit_phrases(
        read_table(a.phrases, PHRASES), read_table(a.elements, ELEMENTS), read_table(a.captions, CAPTIONS), a.source,
        Preferences(**values["preferences"]), values["seed"],
    )  # fmt: skip
    write_table(drops, DROPS, a.drops)
    write_table(edits, EDITS, a.out)


@verb("config", "chat", "code", "source", "phrases", "elements*", "captions", "out", "drops", "calls", "run")
def edit_by_model(a: Arguments) -> None:
    """Replace one slot of each phrase by something plausible and wrong, by a language model."""
    from finer.mllm.asked import in_role
    from finer.preferences.model_editor import ModelEditor
    from finer.preferences.stages import checked_edits
    from finer.schemas import CAPTIONS, DROPS, EDITS, ELEMENTS, PHRASES
    from finer.store import read_table, read_tables, write_table

    tables = read_table(a.phrases, PHRASES), read_tables(a.elements, ELEMENTS), read_table(a.captions, CAPTIONS)
    with in_role(a.chat, ["editor"], "edit-by-model", a.code, a.config, a.calls, a.run) as (role,):
        edits, drops = checked_edits(ModelEditor(role), *tables, a.source, settings(a.config)["seed"])
    write_table(drops, DROPS, a.drops)
    write_table(edits, EDITS, a.out)


@verb("config", "phrases", "edits", "captions", "images", "out")
def preference_pairs(a: Arguments) -> None:
    """Word a positive and a negative query for each edit, each with its better and its worse answer."""
    from finer.preferences import pairs
    from finer.schemas import CAPTIONS, EDITS, IMAGES, PHRASES, PREFERENCES
    from finer.store import read_table, write_table

    made = pairs.preference_pairs(
        read_table(a.phrases, PHRASES), read_table(a.edits, EDITS), read_table(a.captions, CAPTIONS),
        read_table(a.images, IMAGES), settings(a.config)["seed"],
    )  # fmt: skip
    write_table(made, PREFERENCES, a.out)


@verb("source", ("distance", {"type": int}), "images", "benchmarks*", "out")
def leaks(a: Arguments) -> None:
    """List the images of a source that are benchmark images too, or look like one."""
    from finer.preferences import leaks as leaking
    from finer.schemas import IMAGES, LEAKS
    from finer.store import read_table, write_table

    benchmarks = [read_table(path, IMAGES) for path in a.benchmarks]
    write_table(leaking.leaks(read_table(a.images, IMAGES), benchmarks, a.source, a.distance), LEAKS, a.out)


@verb("source", "preferences", "leaks", "out", "drops")
def without_leaks(a: Arguments) -> None:
    """Drop the preference pairs of leaked images."""
    from finer.preferences import leaks as leaking
    from finer.schemas import DROPS, LEAKS, PREFERENCES
    from finer.store import read_table, write_table

    kept, drops = leaking.without_leaks(read_table(a.preferences, PREFERENCES), read_table(a.leaks, LEAKS), a.source)
    write_table(drops, DROPS, a.drops)
    write_table(kept, PREFERENCES, a.out)


@verb("leaks*", "out")
def table_leaks(a: Arguments) -> None:
    """Write the leaks of all sources as one CSV."""
    from finer.schemas import LEAKS
    from finer.store import read_tables, write_text

    write_text(a.out, read_tables(a.leaks, LEAKS).write_csv())


@verb("config", "preferences*", "out")
def mix(a: Arguments) -> None:
    """Draw a mixture: the preference pairs that an adapter is trained on, in their order."""
    from finer.config import Mixture
    from finer.preferences.mixtures import mixture
    from finer.schemas import PREFERENCES
    from finer.store import read_tables, write_table

    values = settings(a.config)
    drawn = mixture(read_tables(a.preferences, PREFERENCES), Mixture(**values["mixture"]), values["seed"])
    write_table(drawn, PREFERENCES, a.out)


@verb("preferences", "out")
def export_sharegpt(a: Arguments) -> None:
    """Write a mixture in ShareGPT's form with ranking; image paths start at the results' folder, three levels up."""
    from pathlib import Path

    from finer.preferences import sharegpt
    from finer.schemas import PREFERENCES
    from finer.store import read_table

    sharegpt.export_sharegpt(read_table(a.preferences, PREFERENCES), a.out, Path(a.out).parents[2])


@verb("names*", "out")
def dataset_info(a: Arguments) -> None:
    """Write what LLaMA-Factory must know of the exported mixtures."""
    from finer.preferences.sharegpt import write_dataset_info

    write_dataset_info(a.names, a.out)


@verb("folders*", "markdown", "csv")
def tuning_yields(a: Arguments) -> None:
    """Summarise how much of each source became preference pairs, and why the rest did not."""
    from finer.preferences.yields import markdown, read_stages
    from finer.preferences.yields import tuning_yields as counted
    from finer.store import write_text

    numbers = counted([read_stages(folder) for folder in a.folders])
    write_text(a.csv, numbers.write_csv())
    write_text(a.markdown, markdown(numbers))
