"""Programs that opto optimizes."""
