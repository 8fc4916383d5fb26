"""Whether a picture is a chest X-ray at all, and upright: a small network that looks before the models do."""

from __future__ import annotations

from radloom.input_check.network import InputCheck as InputCheck
from radloom.input_check.network import Look as Look
from radloom.input_check.network import doubt as doubt
from radloom.input_check.network import shipped_check as shipped_check
