"""Older names of parts that live elsewhere in opto."""
