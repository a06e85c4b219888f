#!/usr/bin/env bash
# Runs inside an image while it is built: packages from the wheelhouse, lists and licences of what is inside, and
# clean-ups for a stable content. The host's temporary folders and a home are mounted here: nothing is deleted but
# by the full paths below, which are the image's own.
set -eu
export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8 PIP_CONFIG_FILE=/dev/null PIP_NO_CACHE_DIR=1
export PIP_ROOT_USER_ACTION=ignore SOURCE_DATE_EPOCH=$EPOCH
share=/opt/finer/share
python=/opt/finer/bin/python

python3 -m venv --without-pip /opt/finer
pip() { "$python" "$(echo "$WHEELHOUSE"/pip-*.whl)/pip" "$@"; }
from_lock() { pip install --quiet --no-index --find-links "$WHEELHOUSE" --require-hashes --no-deps --no-compile "$@"; }
from_lock --requirement $share/build-tools.lock
from_lock --no-build-isolation --requirement $share/requirements.lock
pip check

# What is inside, for `containers check` and for a reader.
dpkg-query -W -f '${Package} ${Version}\n' | sort >$share/debian.txt
"$python" -m pip list --format freeze | sort >$share/pip.txt
"$python" $share/licences.py >$share/licences.md

# Byte-code that does not hold a time: valid as long as the image is, since nothing in it changes. Some packages carry
# files for other Pythons, which do not compile: they are of no use here, so that is no error.
compile() { "$1" -m compileall -qq -f -j 0 --invalidation-mode unchecked-hash "$2" || true; }
compile "$python" /opt/finer/lib
compile python3 /usr/lib/python3.11
compile python3 /usr/lib/python3

# Logs and caches of the base system's own installation.
rm -f /var/log/dpkg.log /var/log/bootstrap.log /var/log/alternatives.log /var/log/faillog /var/log/lastlog
rm -f /var/cache/ldconfig/aux-cache /var/cache/debconf/config.dat-old /var/cache/debconf/templates.dat-old
rm -f /var/lib/dpkg/status-old /var/lib/dpkg/available /var/lib/dpkg/available-old
# The name of the machine that built the image (a mount over it is not the image's file and stays as it is).
[ ! -w /etc/hostname ] || echo finer >/etc/hostname || true
rm -rf /var/cache/apt/archives /var/lib/apt/lists /var/log/apt
