"""Results as tables for people, and as rows for JSON.

May import: charrnn.console and everything below it.
"""
