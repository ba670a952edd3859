"""What a shop would have earned by showing other things: exposures with known propensities, and estimates from them. Imports nothing."""
