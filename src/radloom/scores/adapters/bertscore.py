"""BERTScore (Zhang et al. 2020, arXiv 1904.09675), by `bert-score`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from radloom.scores.adapters.base import MODEL, TOKENIZER, TextAdapter, device, not_cached


class BertScore(TextAdapter):
    """F1 by DistilBERT, without rescaling and without idf; a subclass with other `weights` runs another model."""

    name = "bertscore"
    weights = "distilbert-base-uncased"
    package = "bert_score"
    distribution = "bert-score"
    install = "pip install bert-score==0.3.13"

    @classmethod
    def missing(cls) -> list[str]:
        return not_cached(cls.weights, "config.json", TOKENIZER, MODEL)

    def __init__(self) -> None:
        from bert_score import BERTScorer

        self._scorer = BERTScorer(model_type=self.weights, device=device())

    def _score(self, references: list[str], hypotheses: list[str]) -> Mapping[str, Any]:
        _, _, f1 = self._scorer.score(cands=hypotheses, refs=references)
        return {"bertscore_f1": f1}
