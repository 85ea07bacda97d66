"""Parts of a run as plain data, from which another process makes them again."""
