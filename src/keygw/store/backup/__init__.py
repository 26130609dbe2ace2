"""Backups: one moment of a database as a file that either database is restored from, and a look at what is stored."""
