"""The deployments of this repository, from files to a server: validate, plan, apply, show, status.

`python3 scripts/sync.py COMMAND`, with any Python from 3.11 on. The first start makes the environment, every other one
finds it. This file must parse on Python 3.6, which is then refused.
"""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
if HERE not in sys.path:  # PYTHONSAFEPATH leaves it out
    sys.path.insert(0, HERE)

from bootstrap import old_python  # noqa: E402


def command():
    # type: () -> int
    """What runs in the environment."""
    from reconcile.cli import main

    return main(sys.argv[1:])


if __name__ == "__main__":
    old_python.refuse()
    from bootstrap import handover

    sys.exit(handover.run(os.path.abspath(__file__), command))
