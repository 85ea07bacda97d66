"""The demonstration behind `make demo`: three real programs, repaired from feedback."""
