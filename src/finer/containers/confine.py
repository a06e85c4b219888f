"""A command -> the same command in a corner of its own, where it can harm nothing of the machine.

``apptainer build`` mounts the host's temporary folders and the home into the build's scripts, with write access. So
a build gets its own mounts: everything read-only but a work folder, empty temporary folders and an empty home that
end with it, no network, and no sight of other processes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

WORK = Path("/srv")  # where the work folder is seen, whatever it is called outside
TEMPORARY = (Path("/tmp"), Path("/var/tmp"))

# Arguments: work folder, home, number of further folders, these folders, command. What is to be seen although it lies
# in a hidden folder (an interpreter below the home, say) is put aside before and shown again, read-only, after.
SCRIPT = r"""
work=$1 home=$2 count=$3; shift 3
mount --bind "$work" /srv
private=/srv/private
mkdir -p "$private/tmp" "$private/vartmp" "$private/home" "$private/seen"
chmod 1777 "$private/tmp" "$private/vartmp"; chmod 700 "$private/home"
for i in $(seq "$count"); do
  eval "place=\${$i}"
  mkdir -p "$private/seen/$i"
  mount --bind "$place" "$private/seen/$i"
done
mount --bind "$private/tmp" /tmp
mount --bind "$private/vartmp" /var/tmp
mount --bind "$private/home" "$home"
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
for i in $(seq "$count"); do
  eval "place=\${$i}"
  mkdir -p "$place"
  mount --bind "$private/seen/$i" "$place"
done
findmnt -rno TARGET | while read -r place; do
  case $place in
    /srv | /tmp | /var/tmp | "$home" | /dev | /dev/* | /proc | /proc/* | /sys | /sys/*) ;;
    *) mount -o remount,bind,ro "$(printf %b "$place")" ;;
  esac
done
shift "$count"
cd /srv
export HOME=$home TMPDIR=/tmp
exec "$@"
"""


def confined(command: Sequence[str], work: Path, home: Path, seen: Iterable[Path]) -> list[str]:
    """Return the arguments that run ``command`` confined, in ``work``; for root only.

    ``seen``: folders that the command needs; those in a folder that is hidden are shown in it, read-only.
    """
    shown = [str(place) for place in hidden(seen, home)]
    space = ["unshare", "--mount", "--net", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc"]
    own = ["--propagation", "private", "bash", "-euo", "pipefail", "-c", SCRIPT, "confined"]
    return [*space, *own, str(work.resolve()), str(home), str(len(shown)), *shown, *command]


def hidden(seen: Iterable[Path], home: Path) -> list[Path]:
    """Return which folders lie in one that a confined command sees empty, outermost first and each once."""
    inside = sorted(
        {place.resolve() for place in seen if any(place.resolve().is_relative_to(one) for one in (*TEMPORARY, home))}
    )
    return [one for one in inside if not any(one != other and one.is_relative_to(other) for other in inside)]


def interpreter() -> list[Path]:
    """Return the folders of this Python, its packages and this package."""
    return [Path(sys.prefix), Path(sys.base_prefix), Path(__file__).parents[2]]
