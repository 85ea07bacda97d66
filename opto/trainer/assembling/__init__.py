"""A model, data and parts by name, put together to a search."""
