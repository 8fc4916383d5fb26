"""Runs a metric's package as it stands: without network, without its prints, without traces in this process.

Many of these packages download when they are made, print while they score, and were written for transformers 4.
"""

from __future__ import annotations

import socket
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import Any, NoReturn

_ABSENT = object()


@contextmanager
def foreign() -> Iterator[None]:
    """While the body runs no host name is looked up, the Hugging Face hub is its cache alone, what is printed goes to
    stderr, and tokenizers have the methods that transformers 5 dropped; afterwards all is as before."""
    import transformers
    from huggingface_hub import constants

    tokenizer = transformers.PreTrainedTokenizerBase
    dropped = {name: method for name, method in _DROPPED.items() if not hasattr(tokenizer, name)}
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(sys.stderr))
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(_swapped(constants, HF_HUB_OFFLINE=True))
        stack.enter_context(_swapped(socket, getaddrinfo=_refuse))
        stack.enter_context(_swapped(tokenizer, **dropped))
        yield


@contextmanager
def _swapped(owner: Any, **values: Any) -> Iterator[None]:
    before = {name: vars(owner).get(name, _ABSENT) for name in values}
    for name, value in values.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


def _refuse(host: object, *args: object, **options: object) -> NoReturn:
    raise OSError(f"adapters open no network connection, and {host!r} was asked for")


def _encode_plus(self: Any, text: Any, text_pair: str | None = None, **options: Any) -> Any:
    """One text; a list is the word pieces of one text, not a batch."""
    if isinstance(text, str):
        return self(text, text_pair, **options)
    return {"input_ids": _with_specials(self, self.convert_tokens_to_ids(list(text)))}


def _batch_encode_plus(self: Any, batch_text_or_text_pairs: Any, **options: Any) -> Any:
    return self(batch_text_or_text_pairs, **options)


def _with_specials(self: Any, token_ids_0: Sequence[int]) -> list[int]:
    return [i for i in (self.cls_token_id, *token_ids_0, self.sep_token_id) if i is not None]


_DROPPED = {
    "encode_plus": _encode_plus,
    "batch_encode_plus": _batch_encode_plus,
    "build_inputs_with_special_tokens": _with_specials,
}
