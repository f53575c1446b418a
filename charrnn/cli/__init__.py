"""The command line: Typer commands, one file per command, which parse, call and render.

May import: every other package.
"""
