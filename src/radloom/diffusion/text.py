"""Reports as token ids: a byte-level BPE trained on the training reports, small enough to ship beside the weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from tokenizers import ByteLevelBPETokenizer, Tokenizer
from torch import Tensor

from radloom.errors import CheckpointError
from radloom.reports.report_text import report_from_text, report_to_text
from radloom.study import Report

FILE = "tokenizer.json"
PAD, START, END = range(3)
"""Ids of the special tokens."""

_SPECIAL = ("<pad>", "<start>", "<end>")


class ReportTokenizer:
    """Report <-> ids, whole: findings and impression with their headings.

    Text can never smuggle in a special token: `<end>` in a report is spelt out in ordinary ones.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._tokenizer.encode_special_tokens = True

    def __len__(self) -> int:
        return self._tokenizer.get_vocab_size()

    @property
    def vocabulary(self) -> dict[str, int]:
        """Token -> id."""
        return dict(self._tokenizer.get_vocab())

    @classmethod
    def train(cls, reports: Iterable[Report], size: int) -> ReportTokenizer:
        """The tokenizer of those reports with at most `size` tokens; never fewer than the 256 bytes need."""
        bpe = ByteLevelBPETokenizer()
        texts = (report_to_text(report) for report in reports)
        bpe.train_from_iterator(texts, vocab_size=size, special_tokens=list(_SPECIAL), show_progress=False)
        return cls(bpe._tokenizer)

    def encode(self, report: Report) -> list[int]:
        """Ids without start and end; none for an empty report."""
        return list(self._tokenizer.encode(report_to_text(report), add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> Report:
        """The report of ids up to the first `END`."""
        ids = list(ids)
        ids = ids[: ids.index(END)] if END in ids else ids
        return report_from_text(self._tokenizer.decode([i for i in ids if i > END], skip_special_tokens=True))

    def batch(self, reports: Sequence[Report], longest: int) -> Tensor:
        """`START`, ids and `END` of each report as (b, n) int64, padded; those longer than `longest` are cut."""
        rows = [[START, *self.encode(report)[: longest - 2], END] for report in reports]
        return pad(rows)

    def files(self) -> dict[str, str]:
        """What a checkpoint keeps of it, by the name of the file; `load` reads it."""
        return {FILE: self._tokenizer.to_str(pretty=True)}

    @classmethod
    def load(cls, folder: Path | str) -> ReportTokenizer:
        """Raises:
        CheckpointError: no tokenizer there.
        """
        path = Path(folder) / FILE
        if not path.is_file():
            raise CheckpointError(f"{path} is missing; copy the whole checkpoint folder.")
        try:
            return cls(Tokenizer.from_file(str(path)))
        except Exception as error:  # the tokenizers package raises nothing more specific
            raise CheckpointError(f"{path} cannot be read ({error}); restore it from a whole copy.") from None


def pad(rows: Sequence[Sequence[int]]) -> Tensor:
    """Rows of ids as (b, n) int64, padded on the right."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[PAD] * (longest - len(row))] for row in rows])
