"""GREEN (Ostmeier et al. 2024, arXiv 2405.03595), by `green-score`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from radloom.scores.adapters.base import MODEL, TOKENIZER, TextAdapter, UnavailableError, device, not_cached


class Green(TextAdapter):
    """Matched findings over matched findings and errors, as a language model of 7 billion parameters counts them."""

    name = "green"
    weights = "StanfordAIMI/GREEN-radllama2-7b"
    package = "green_score"
    distribution = "green-score"
    # The package pins Python 3.12.1 and versions of torch and transformers that radloom does not run with.
    install = (
        "pip install --no-deps --ignore-requires-python green-score==0.0.12 && "
        "pip install datasets sentence-transformers sentencepiece scikit-learn scipy pandas"
    )

    @classmethod
    def missing(cls) -> list[str]:
        return not_cached(cls.weights, "config.json", TOKENIZER, MODEL)

    def __init__(self) -> None:
        import torch
        from green_score import GREEN

        if torch.cuda.device_count() > 1:
            raise UnavailableError("green runs on one GPU here; set CUDA_VISIBLE_DEVICES to one of them.")
        # The summary would fetch one more model.
        self._scorer = GREEN(self.weights, cpu=device() == "cpu", compute_summary_stats=False)

    def _score(self, references: list[str], hypotheses: list[str]) -> Mapping[str, Any]:
        _, _, scores, _, _ = self._scorer(refs=references, hyps=hypotheses)
        return {"green": scores}
