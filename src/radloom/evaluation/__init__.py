"""The board: models over manifests, scored, with baselines beside."""
