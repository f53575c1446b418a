"""The command line: one file per command, their list (`app`), shared flags, failures.

May import: every other package, inside the command, so that --help loads no torch.
"""
