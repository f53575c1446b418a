"""Results as rows for JSON, and as tables for people.

May import: charrnn.reports.texts, charrnn.console and everything below it.
"""
