"""``python -m finer``."""

import sys

from finer.cli import main

sys.exit(main())
