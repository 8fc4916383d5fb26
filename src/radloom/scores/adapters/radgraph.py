"""RadGraph F1 (Jain et al. 2021, arXiv 2106.14463; Delbrouck et al. 2022, arXiv 2210.12186), by `radgraph`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from radloom.scores.adapters.base import TOKENIZER, TextAdapter, not_cached


class RadGraph(TextAdapter):
    """F1 of entities (RG_E), of entities that have relations or not (RG_ER), and of whole relations (RG_ER-bar).

    The weights are the package's default, RadGraph-XL (Delbrouck et al. 2024, "RadGraph-XL: a large-scale
    expert-annotated dataset for entity and relation extraction from radiology reports"). A subclass with
    `weights = "radgraph"` runs the older ones.
    """

    name = "radgraph"
    weights = "radgraph-xl"
    package = "radgraph"
    distribution = "radgraph"
    install = "pip install radgraph==0.1.18"

    @classmethod
    def missing(cls) -> list[str]:
        from appdirs import user_cache_dir

        folder = Path(user_cache_dir("radgraph")) / metadata.version("radgraph") / cls.weights
        if not all((folder / name).is_file() for name in ("config.json", "weights.th")):
            return [f"unpack {cls.weights}.tar.gz of https://hf.co/StanfordAIMI/RRG_scorers into {folder}"]
        config = json.loads((folder / "config.json").read_text())
        return not_cached(config["dataset_reader"]["token_indexers"]["bert"]["model_name"], "config.json", TOKENIZER)

    def __init__(self) -> None:
        from radgraph import F1RadGraph

        self._scorer = F1RadGraph(reward_level="all", model_type=self.weights)

    def _score(self, references: list[str], hypotheses: list[str]) -> Mapping[str, Any]:
        _, (entities, related, relations), _, _ = self._scorer(refs=references, hyps=hypotheses)
        return {"radgraph_e": entities, "radgraph_er": related, "radgraph_er_bar": relations}
