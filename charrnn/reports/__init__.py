"""Results of commands as tables, JSON, plots and HTML pages.

May import: charrnn.console and everything below it.
"""
