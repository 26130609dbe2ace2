"""Planted defects: vehicles and devices with one thing wrong each, and the requirement that must catch it.

A kit that finds nothing shows nothing; these show that it finds. ``vehicles`` and ``devices`` have the tables.
"""
