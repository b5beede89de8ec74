"""`python -m redisnb` is the command `redisnb`."""

import sys

from redisnb.cli import main

if __name__ == "__main__":
    sys.exit(main())
