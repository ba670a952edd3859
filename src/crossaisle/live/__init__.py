"""The model in service: it answers from what people did a moment ago, takes new items at once, and is exchanged while it serves."""
