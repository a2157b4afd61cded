"""The environment that everything else runs in: Python's own library makes it from the locks.

old_python    says so when Python is too old
environment   which environment is in force, and whether it is what the locks say: every start asks
making        makes and mends it, one start at a time
installers    pip and uv: told the same, run step by step, their failures in plain words
locks         writes the locks anew

The entry points `sync.py` and `test.py` begin here. This file and `old_python` must parse on Python 3.6.
"""
