#!/usr/bin/env bash
# What `make test-containers` runs: Apptainer is there or is installed, the image is current or is built, the tests run.
# Nothing stays running afterwards (Apptainer has no service); results lie in the tests' temporary folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! containers/apptainer.sh --check; then
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 1 # what to install was said in one line
  containers/apptainer.sh
fi
.venv/bin/python -m finer containers check --need cpu || .venv/bin/python -m finer containers build
FINER_TEST_IMAGES=1 .venv/bin/python -m pytest -q -p no:cacheprovider tests/containers
