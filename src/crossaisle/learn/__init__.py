"""What the model should be told next, and what it was told."""
