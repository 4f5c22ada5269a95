"""``python -m hobgoblin``: the command line."""

import sys

from hobgoblin.cli import main

if __name__ == "__main__":
    sys.exit(main())
