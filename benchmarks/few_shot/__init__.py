"""Few-shot demonstrations for a very small local model: found by `FewShot`, against drawn at random. Live."""
