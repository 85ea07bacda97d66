"""Measurements of opto beside its peers: always ratios within one run, never a timed test."""
