"""CheXbert (Smit et al. 2020, arXiv 2004.09167), by `f1chexbert`."""

from __future__ import annotations

from pathlib import Path

from radloom.scores.adapters.base import TOKENIZER, LabelAdapter, device, no_file, not_cached
from radloom.study import OBSERVATIONS, Mention

_MENTION = {"": None, 1: Mention.POSITIVE, 0: Mention.NEGATIVE, -1: Mention.UNCERTAIN}


class CheXbert(LabelAdapter):
    """Labels of the 14 observations. `No Finding` is positive or not mentioned, as CheXbert has it."""

    name = "chexbert"
    weights = "chexbert.pth"
    package = "f1chexbert"
    distribution = "f1chexbert"
    install = "pip install f1chexbert==0.0.2"

    @classmethod
    def missing(cls) -> list[str]:
        from appdirs import user_cache_dir

        return [
            *no_file(Path(user_cache_dir("chexbert")) / cls.weights, "https://hf.co/StanfordAIMI/RRG_scorers"),
            *not_cached("bert-base-uncased", "config.json", TOKENIZER),
        ]

    def __init__(self) -> None:
        from f1chexbert import F1CheXbert

        self._labeller = F1CheXbert(device=device())
        self._order = [self._labeller.target_names.index(observation) for observation in OBSERVATIONS]

    def _label(self, texts: list[str]) -> list[list[Mention | None]]:
        rows = [self._labeller.get_label(text, mode="classification") for text in texts]
        return [[_MENTION[row[i]] for i in self._order] for row in rows]
