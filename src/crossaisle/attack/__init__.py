"""Attacks to measure with: noise in texts and pictures, shifted vectors, made-up people. Pure, seeded functions. Imports nothing."""
