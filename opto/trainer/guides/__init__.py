"""Guides that are ready to use: by comparison, by pattern, by schema, by tests, by a model, by a person."""
