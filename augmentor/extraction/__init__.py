"""Lesions inside scans: which mask belongs to which image, what is cut out, and where it is written."""
