"""RaTEScore (Zhao et al. 2024, arXiv 2406.16845), by `RaTEScore`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from radloom.scores.adapters.base import MODEL, TOKENIZER, TextAdapter, device, not_cached

_ENTITIES = "Angelakeke/RaTE-NER-Deberta"
_SYNONYMS = "FremyCompany/BioLORD-2023-C"

_NOTHING_FOUND = 0.5  # what the package gives where a side has no entity


class RateScore(TextAdapter):
    """Similarity of the medical entities of both sides. A side without entities, an empty one too, scores 0.5."""

    name = "ratescore"
    weights = "RaTE-NER-Deberta + BioLORD-2023-C"
    package = "RaTEScore"
    distribution = "RaTEScore"
    install = "pip install RaTEScore==0.6.0 medspacy pandas"  # it does not name what it needs

    @classmethod
    def missing(cls) -> list[str]:
        return [part for name in (_ENTITIES, _SYNONYMS) for part in not_cached(name, "config.json", TOKENIZER, MODEL)]

    def __init__(self) -> None:
        from RaTEScore import RaTEScore
        from RaTEScore.utils import sentence_split

        self._scorer = RaTEScore(bert_model=_ENTITIES, eval_model=_SYNONYMS, use_gpu=device() == "cuda")
        self._sentences = sentence_split

    def _score(self, references: list[str], hypotheses: list[str]) -> Mapping[str, Any]:
        return {"ratescore": [self._pair(*pair) for pair in zip(references, hypotheses, strict=True)]}

    def _pair(self, reference: str, hypothesis: str) -> float:
        # Among others the package would drop a report without sentences, and shift the scores after it.
        if not all(self._sentences([text])[0] for text in (reference, hypothesis)):
            return _NOTHING_FOUND
        (score,) = self._scorer.compute_score(candidate_list=[hypothesis], reference_list=[reference])
        return float(score)
