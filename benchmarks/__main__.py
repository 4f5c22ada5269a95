"""``python benchmarks``: see `benchmarks.command`."""

import sys
from pathlib import Path

# Run as a folder, Python looks for modules inside of it; the package is found from one level up.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
