"""How programs are run on examples: calls through executors, and what comes of them."""
