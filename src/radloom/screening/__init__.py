"""Whether a picture is a chest X-ray at all, and upright: a small network that looks before the models do."""

from __future__ import annotations

from radloom.screening.network import Look as Look
from radloom.screening.network import Screen as Screen
from radloom.screening.network import doubt as doubt
from radloom.screening.network import screen as screen
