"""Flows: programs that are put together from language models."""
