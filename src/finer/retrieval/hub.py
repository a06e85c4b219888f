"""Files of a hub repository at one commit -> a folder, each compared with the hash that the hub states.

Resuming and trying again are the client's. It is told the commit, never a branch: a branch that moves in between
would mix two versions.
"""

from __future__ import annotations

import os
from pathlib import Path

from finer.errors import InputError
from finer.retrieval.download import Checks, faults
from finer.retrieval.sources import Hub


def snapshot(wanted: Hub, folder: Path, locked: str | None = None) -> str:
    """Fetch the matching files into ``folder``; return the commit (``locked``: the one to take).

    Raises:
        InputError: no such repository, no access, no matching file, or a file that differs from its stated hash.
    """
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import filter_repo_objects

    constants.HF_HUB_OFFLINE = False  # the rest of a run is kept offline by the environment; this is what fetches
    # Read here and not where the client is imported, so that a mirror can be named at any time.
    endpoint = os.environ.get("HF_ENDPOINT")
    api = HfApi(endpoint=endpoint)
    revision = locked or wanted.revision
    try:
        info = api.repo_info(wanted.hub, revision=revision, repo_type=wanted.kind, files_metadata=True)
        siblings = {each.rfilename: each for each in info.siblings or []}
        names = list(filter_repo_objects(siblings, allow_patterns=wanted.files, ignore_patterns=wanted.leave))
        if not names:
            raise InputError(
                f"no file of '{wanted.hub}' matches", found=", ".join(sorted(siblings)[:8]) or "no files",
                expected=" | ".join(wanted.files), cure="correct the patterns of this source in the registry",
            )  # fmt: skip
        snapshot_download(
            wanted.hub, revision=info.sha, repo_type=wanted.kind, local_dir=folder,
            allow_patterns=wanted.files, ignore_patterns=wanted.leave, endpoint=endpoint,
        )  # fmt: skip
    except (HfHubHTTPError, OSError) as error:
        raise _refused(error, wanted.kind, wanted.hub, revision, api.endpoint) from error
    for name in names:
        lfs = siblings[name].lfs
        checks = Checks(siblings[name].size, lfs.sha256 if lfs else None)
        if (fault := faults(folder / name, checks)) is not None:
            (folder / name).unlink()
            raise InputError(
                "a file is not what its hub states", file=folder / name, found=fault[0], expected=fault[1],
                cure="try again",
            )  # fmt: skip
    return str(info.sha)


def commit(repo: str, revision: str) -> str:
    """Return the commit that a branch or tag of a model's repository names now: 40 hex digits, which never move.

    Raises:
        InputError: no such repository or revision, no access, no network.
    """
    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import HfHubHTTPError

    constants.HF_HUB_OFFLINE = False
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    try:
        return str(api.repo_info(repo, revision=revision).sha)
    except (HfHubHTTPError, OSError) as error:
        raise _refused(error, "model", repo, revision, api.endpoint) from error


def _refused(error: Exception, kind: str, repo: str, revision: str, endpoint: str) -> InputError:
    """Return the error of a hub that gave nothing, with what helps."""
    from huggingface_hub.errors import GatedRepoError

    page = f"{endpoint}/{'datasets/' if kind == 'dataset' else ''}{repo}"
    return InputError(
        f"cannot retrieve the {kind} '{repo}' at revision '{revision}'",
        found=str(error).splitlines()[0] if str(error) else type(error).__name__,
        cure=f"accept its terms at {page} and set HF_TOKEN" if isinstance(error, GatedRepoError) else
        f"check the network; if {page} asks for a login, set HF_TOKEN. What has arrived is kept",
    )  # fmt: skip
