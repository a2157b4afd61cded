"""Says so when Python is too old. This file and the entry points must parse on Python 3.6: no newer syntax here."""

import sys

MINIMUM = (3, 11)


def refuse():
    # type: () -> None
    """End with one clear message where Python is older than what the rest of the code is written in."""
    if sys.version_info < MINIMUM:
        sys.stderr.write(
            "error: Python %d.%d or newer is needed, and this is Python %d.%d (%s)\n"
            "  hint: install a newer one (python.org, or your system's packages) and start with it, "
            "for example: python3.%d %s\n"
            % (MINIMUM[0], MINIMUM[1], sys.version_info[0], sys.version_info[1], sys.executable, 13, sys.argv[0])
        )
        sys.exit(1)
