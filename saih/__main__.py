"""``python -m saih``."""

import sys

from saih.cli import main

sys.exit(main())
