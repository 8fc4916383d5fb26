"""Recipes: whole trainings as commented YAML, and what runs them."""
