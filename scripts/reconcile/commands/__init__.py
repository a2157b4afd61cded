"""The commands, a file each: `configure(parser)` declares its arguments, `run(options)` does it and answers its exit code."""
