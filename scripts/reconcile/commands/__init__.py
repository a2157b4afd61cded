"""The commands, a file each.

`configure(parser)` declares a command's arguments, `run(options)` does it and answers its exit code.
"""
