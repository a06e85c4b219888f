"""Verbs about the images that jobs run in."""

from __future__ import annotations

from finer.cli.verb import Arguments, verb

FOLDER = ("folder?", {"default": "containers", "help": "where definitions and locks are"})
IMAGE = ("image?", {"default": "cpu", "help": "cpu or gpu"})
WHEELS = ("wheels?", {"help": "folder or address with further wheels, such as CPU builds of torch"})
MIRROR = ("mirror?", {"help": "address of a Debian archive, or of a dated snapshot; else the one that apt uses here"})


@verb(IMAGE, MIRROR, WHEELS, FOLDER, ("work?", {"default": ".containers", "help": "folder for downloads; kept"}))
def containers_build(a: Arguments) -> None:
    """Build an image from the locks, confined, and record what is inside."""
    from pathlib import Path

    from finer.containers.build import Sources, build
    from finer.containers.recipe import recipe

    folder = Path(a.folder)
    image = folder / f"finer-{a.image}.sif"
    entry = build(
        recipe(a.image, folder), image, Sources(a.mirror, a.wheels), Path(a.work) / a.image, folder / "lock.yaml"
    )
    print(
        f"{image}: {entry.bytes / 1e6:.0f} MB, {entry.digest}; "
        f"fetched in {entry.fetch_seconds} s, built in {entry.build_seconds} s"
    )


@verb(
    ("part?", {"default": "all", "choices": ["all", "python", "debian"]}),
    MIRROR,
    WHEELS,
    FOLDER,
    ("envs?", {"default": "envs"}),
)
def containers_lock(a: Arguments) -> None:
    """Renew the locks: Debian packages from the archive, Python packages from the pins; and the conda files."""
    from pathlib import Path

    from finer.containers import conda, locking
    from finer.containers.recipe import KINDS, Recipe
    from finer.store import write_text

    folder, envs = Path(a.folder), Path(a.envs)
    if a.part != "python":
        locking.lock_debian([Recipe(kind, folder) for kind in KINDS], a.mirror)
    if a.part != "debian":
        locking.lock_python(folder, envs, Path("pyproject.toml"), a.wheels)
        for kind in KINDS:
            write_text(envs / conda.FILES[kind], conda.conda_file(kind, folder))


@verb(FOLDER, ("envs?", {"default": "envs"}), ("need?", {"help": "cpu or gpu: this image must be built and current"}))
def containers_check(a: Arguments) -> int:
    """Tell whether pins, locks, conda files and images agree."""
    from pathlib import Path

    from finer.containers.check import problems

    folder = Path(a.folder)
    found = list(problems(folder, Path(a.envs)))
    if a.need and not (folder / f"finer-{a.need}.sif").is_file():
        found.append(f"{folder / f'finer-{a.need}.sif'}: not built here")
    for line in found:
        print(line)
    if not found:
        print("pins, locks, conda files and images agree")
    return 1 if found else 0
