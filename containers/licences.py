"""Runs inside an image while it is built: the licences of all its packages, as Markdown on standard output."""

import re
import subprocess
from importlib import metadata
from pathlib import Path


def of_distribution(found: metadata.Distribution) -> str:
    """Licence of a Python package, from its metadata."""
    about = found.metadata
    named = about.get("License-Expression") or ""
    trove = [one.split(" :: ")[-1] for one in about.get_all("Classifier") or [] if one.startswith("License ::")]
    free = (about.get("License") or "").strip().splitlines()
    return named or ", ".join(sorted(set(trove) - {"OSI Approved"})) or (free[0][:60] if free else "see its files")


def of_package(name: str) -> str:
    """Licences of a Debian package, from its machine-readable copyright file, or where to read them."""
    path = Path("/usr/share/doc", name, "copyright")
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    named = {" ".join(one.split()) for one in re.findall(r"^License: *(\S.*)$", text, re.MULTILINE)}
    return "; ".join(sorted(named)) if named else f"see {path}"


def row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


print("# Licences of what is inside the image\n")
print("Made from the packages' own metadata when the image was built; their texts are inside the image.\n")
print("## Python packages\n\n" + row("package", "version", "licence") + "\n| --- | --- | --- |")
for one in sorted(metadata.distributions(), key=lambda one: one.metadata["Name"].lower()):
    print(row(one.metadata["Name"], one.version, of_distribution(one)))
print("\n## Debian packages\n\n" + row("package", "version", "licence") + "\n| --- | --- | --- |")
query = subprocess.run(
    ["dpkg-query", "-W", "-f", "${Package} ${Version}\\n"], capture_output=True, text=True, check=True
)
for line in sorted(query.stdout.splitlines()):
    name, version = line.split()
    print(row(name, version, of_package(name)))
