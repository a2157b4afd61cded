"""Every check of this repository: `python3 scripts/test.py`, here and in CI.

With any Python from 3.11 on: makes or mends the environment with the development packages, then runs lint, types and
tests, all of them whatever fails, and ends with pytest's summary. This file must parse on Python 3.6, which is refused.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
if HERE not in sys.path:  # PYTHONSAFEPATH leaves it out
    sys.path.insert(0, HERE)

from bootstrap import old_python  # noqa: E402

if __name__ == "__main__":
    old_python.refuse()
    from bootstrap import checks

    sys.exit(checks.run(sys.argv[1:]))
