"""The signed index of a Debian archive -> a lock of the base system's packages -> a small mirror of just these.

An image is built from that mirror, with no network: what is not in the lock cannot come in. The mirror keeps the
archive's own signed index, so debootstrap checks the signature as it would against the archive itself.
"""

from __future__ import annotations

import hashlib
import lzma
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from finer.errors import InputError
from finer.store import atomic_path, write_text

RELEASE = "bookworm"
ARCHITECTURE = "amd64"
INDEX = f"main/binary-{ARCHITECTURE}/Packages.xz"
EXCLUDED = "openssl,udev,debconf-i18n,e2fsprogs"  # what Apptainer's debootstrap leaves out of a base system
HEADER = (
    f"# Debian packages of the images ({RELEASE}, {ARCHITECTURE}): name version sha256 path in the archive.\n"
    "# Made by `python -m finer containers lock`; docs/containers.md says how to renew it.\n"
)
RENEW = "give a dated snapshot of the archive with --mirror, or renew the lock: python -m finer containers lock"
_SOURCES = ("/etc/apt/sources.list.d/*.sources", "/etc/apt/sources.list", "/etc/apt/sources.list.d/*.list")


@dataclass(frozen=True)
class Package:
    """One binary package of the archive; ``path`` is relative to the archive's root."""

    name: str
    version: str
    sha256: str
    path: str


def machine_mirror(root: Path = Path("/")) -> str:
    """Return the main archive that this machine's apt uses; raise InputError if it uses none."""
    for pattern in _SOURCES:
        for file in sorted(root.glob(pattern.lstrip("/"))):
            for line in file.read_text(encoding="utf-8").splitlines():
                found = re.search(r"^(?:URIs:|deb\s)[^#]*?((?:https?|file):\S+/debian)/?(?:\s|$)", line)
                if found:
                    return found[1]
    raise InputError("no Debian archive among apt's sources", file="/etc/apt", expected="a mirror",
                     cure="name one: --mirror ADDRESS")  # fmt: skip


def fetch(address: str, target: Path, sha256: str | None = None) -> Path:
    """Download one file unless it is there already; check its hash; return where it is."""
    if not (target.is_file() and (sha256 is None or file_sha256(target) == sha256)):
        try:
            with urllib.request.urlopen(address, timeout=120) as answer, atomic_path(target) as partial:
                partial.write_bytes(answer.read())
        except (urllib.error.URLError, OSError) as error:
            raise InputError("cannot be fetched", file=target.name, found=str(error), expected="a file of the archive",
                             cure=RENEW) from error  # fmt: skip
    if sha256 is not None and (found := file_sha256(target)) != sha256:
        raise InputError("is not the file that was locked", file=target, field="sha256", found=found, expected=sha256,
                         cure="delete it and fetch it again; do not trust the source if that is no help")  # fmt: skip
    return target


def file_sha256(path: str | Path) -> str:
    """Return the hash of a file in hex digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch_index(mirror: str, folder: Path) -> dict[str, Package]:
    """Put the archive's signed index into ``folder``, laid out as a mirror, and return its packages by name."""
    suite = folder / "dists" / RELEASE
    release = suite / "InRelease"
    release.unlink(missing_ok=True)
    fetch(f"{mirror}/dists/{RELEASE}/InRelease", release)
    listed = re.search(
        rf"^ ([0-9a-f]{{64}}) +\d+ {re.escape(INDEX)}$", release.read_text(encoding="utf-8"), re.MULTILINE
    )
    if listed is None:
        raise InputError("names no package index", file=release, expected=INDEX, cure="name another archive: --mirror")
    return read_index(fetch(f"{mirror}/dists/{RELEASE}/{INDEX}", suite / INDEX, listed[1]))


def read_index(path: Path) -> dict[str, Package]:
    """Read a compressed ``Packages`` index: paragraphs of ``Field: value`` lines."""
    packages = {}
    for paragraph in lzma.decompress(path.read_bytes()).decode().split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|SHA256|Filename): (.+)$", paragraph, re.MULTILINE))
        if fields:
            packages[fields["Package"]] = Package(
                *(fields[key] for key in ("Package", "Version", "SHA256", "Filename"))
            )
    return packages


def resolve(folder: Path, include: Sequence[str], index: Mapping[str, Package]) -> list[Package]:
    """Return what debootstrap would install from the mirror in ``folder``, sorted by name.

    debootstrap checks the signature of the index on the way.
    """
    command = [
        "debootstrap", "--print-debs", "--variant=minbase", f"--arch={ARCHITECTURE}", f"--exclude={EXCLUDED}",
        f"--include={','.join(['apt', *include])}", RELEASE, str(folder / "unused"), folder.resolve().as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError("cannot resolve the base system", file="debootstrap", found=(done.stderr + done.stdout)[-600:],
                         expected="packages of the archive", cure="check Include: of the definition")  # fmt: skip
    return [index[name] for name in sorted(set(done.stdout.split()))]


def write_lock(path: Path, packages: Iterable[Package]) -> None:
    """Write the lock."""
    lines = (f"{one.name} {one.version} {one.sha256} {one.path}\n" for one in packages)
    write_text(path, HEADER + "".join(lines))


def read_lock(path: Path) -> list[Package]:
    """Read the lock; raise InputError for a line that is none."""
    packages = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("#") or not line.strip():
            continue
        parts = line.split()
        if len(parts) != 4 or not re.fullmatch(r"[0-9a-f]{64}", parts[2]):
            raise InputError("is no line of a lock", file=path, row=number, found=line,
                             expected="name version sha256 path", cure=RENEW)  # fmt: skip
        packages.append(Package(*parts))
    return packages


def check_offer(locked: Iterable[Package], index: Mapping[str, Package], lock: Path) -> None:
    """Raise InputError that names every locked package that the archive has no more, or has in another form."""
    drifted = [
        f"{one.name} {one.version} (archive: {offered.version if offered else 'none'})"
        for one in locked
        if (offered := index.get(one.name)) is None or (offered.version, offered.sha256) != (one.version, one.sha256)
    ]
    if drifted:
        raise InputError("the archive has moved on from the lock", file=lock, found="; ".join(drifted),
                         expected="the locked versions", cure=RENEW)  # fmt: skip


def compare(locked: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Return one line for each package whose version differs between two lists of name -> version."""
    return [
        f"{name} {locked.get(name, 'none')} -> {found.get(name, 'none')}"
        for name in sorted(locked.keys() | found.keys())
        if locked.get(name) != found.get(name)
    ]


def fetch_packages(mirror: str, locked: Iterable[Package], folder: Path) -> None:
    """Complete the mirror in ``folder`` with the locked packages, each checked against its hash."""
    for one in locked:
        fetch(f"{mirror}/{one.path}", folder / one.path, one.sha256)
