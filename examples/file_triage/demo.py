"""`make demo`: run the triage, break it, kill it, resume it, and count what came of it.

python examples/file_triage/demo.py [--root DIR]… [--files N] [--seed S] [--keep]
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    # as a file or as a module: what is imported is this repository's
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    from examples.file_triage.stage import main

    sys.exit(main())
