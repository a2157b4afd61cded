"""Moving in and out: what stands elsewhere as this repository's YAML, and the other way. Pure: no network, no disk.

draft.py        what is about to be declared, before it is text
from_state.py   what was observed on a server -> a draft
factor.py       what recurs in a draft goes to shared.yaml and to the files' defaults
emit.py         a draft -> the texts of files, as a person would write them
merge.py        a draft into files that are there: only what is new, and nobody's words are touched
"""
