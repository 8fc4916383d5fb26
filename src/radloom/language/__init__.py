"""A language model with image tokens: vocabulary, prompts, task mix, losses, constrained decoding."""
