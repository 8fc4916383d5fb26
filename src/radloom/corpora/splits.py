"""Splits by patient, for corpora that publish none."""

from __future__ import annotations

import hashlib

_SPELLINGS = {
    "training": "train",
    "validation": "val",
    "validate": "val",
    "valid": "val",
    "dev": "val",
    "testing": "test",
}


def hash_split(patient: str, share: float = 0.1) -> str:
    """`val` for about `share` of all patients, `train` for the others.

    It depends on the patient's name alone: it is the same on every machine, and does not change when a corpus grows.
    """
    number = int.from_bytes(hashlib.sha256(patient.encode()).digest()[:8], "big")
    return "val" if number < share * 2**64 else "train"


def split_name(text: str) -> str:
    """The usual name of a split: `validate`, `Valid` and `dev` are `val`; names of one's own stay as they are."""
    name = text.strip().lower()
    return _SPELLINGS.get(name, name)
