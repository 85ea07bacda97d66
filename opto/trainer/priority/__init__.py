"""What priority searches are made of: memories, priorities, exploration, novelty."""
