"""``python -m saih``."""

import sys

from saih.cli.main import main

sys.exit(main())
