"""Scores as pure functions of strings, arrays and images, with intervals; anything may import them."""
