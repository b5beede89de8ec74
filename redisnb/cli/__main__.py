"""`python -m redisnb.cli` is the command `redisnb`."""

import sys

from redisnb.cli.program import main

sys.exit(main())
