"""Hostile programs, run behind every wall and once without: what they try is judged by its effect."""
