"""The command line: one file per command, the application (`app`), shared flags, errors.

May import: every other package, inside the command, so that --help loads no torch.
"""
