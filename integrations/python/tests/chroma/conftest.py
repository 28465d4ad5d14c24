"""Puts the folder of the plug-in out of the way: it is for the tests of chromadb only."""

collect_ignore = ["site"]
