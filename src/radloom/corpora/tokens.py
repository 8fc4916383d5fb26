"""The token store: the codes of a corpus, computed once.

A folder of `codes.npy` (int16, one row of h * w codes an image and variant), `evidence.npy` where evidence was asked
for (float32, one row of channels each), `index.json` (image path -> rows, one a
variant) and `store.json` (format, grid, fingerprint of codec and transform that made the codes, and of the images that
they were made of: path, aspect and size of the file). A store that another codec made is an error; one of other images
is built anew. Several augmentations of an image are variants 1, 2, ...; 0 is the plain one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from radloom.corpora.manifest import ImageRef, Manifest
from radloom.errors import CheckpointError, ManifestError

FORMAT = 1
"""Version of the layout, written to every `store.json`."""

CODES, EVIDENCE, INDEX, STORE, DONE = "codes.npy", "evidence.npy", "index.json", "store.json", "done.json"


class TokenStore:
    """Codes by image path and variant.

    Attributes:
        grid: rows and columns of an image's codes.
        fingerprint: of what made them.
    """

    def __init__(
        self,
        codes: np.ndarray,
        index: Mapping[str, Sequence[int]],
        grid: tuple[int, int],
        fingerprint: str,
        evidence: np.ndarray | None = None,
    ) -> None:
        """Args:
        codes: (n, h * w) int16.
        index: path -> the row of each of its variants.
        grid, fingerprint: see above.
        evidence: (n, channels) float32.
        """
        self._codes, self._index, self._evidence = codes, index, evidence
        self.grid, self.fingerprint = grid, fingerprint

    @classmethod
    def open(cls, folder: Path | str, fingerprint: str) -> TokenStore:
        """Read a store; codes stay on the disk until they are asked for.

        Raises:
            ManifestError: no whole store there, or of another format.
            CheckpointError: a store made with another fingerprint.
        """
        folder = Path(folder)
        head = _read(folder / STORE)
        if head.get("format") != FORMAT:
            raise ManifestError(
                f"{folder} has token store format {head.get('format')}; this radloom reads format {FORMAT}. "
                "Delete it and build it again."
            )
        if head["fingerprint"] != fingerprint:
            raise CheckpointError(
                f"The codes in {folder} were made by codec and transform {head['fingerprint']}, not {fingerprint}. "
                "Delete the folder and build it again with this codec."
            )
        index = _read(folder / INDEX)
        try:
            codes = np.load(folder / CODES, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise ManifestError(f"{folder / CODES} cannot be read ({error}); build the token store again.") from None
        rows, columns = head["grid"]
        if codes.shape != (sum(map(len, index.values())), rows * columns):
            raise ManifestError(f"{folder / CODES} does not fit {INDEX}; build the token store again.")
        values = None
        if head.get("evidence"):
            values = np.load(folder / EVIDENCE, mmap_mode="r", allow_pickle=False)
            if values.shape != (len(codes), head["evidence"]):
                raise ManifestError(f"{folder / EVIDENCE} does not fit {CODES}; build the token store again.")
        return cls(codes, index, (rows, columns), fingerprint, values)

    def __len__(self) -> int:
        """How many images."""
        return len(self._index)

    def __contains__(self, path: str) -> bool:
        return path in self._index

    def variants(self, path: str) -> int:
        """How many variants of that image there are."""
        return len(self._rows(path))

    def codes(self, path: str, variant: int = 0) -> np.ndarray:
        """(h * w,) int64 codes of an image.

        Raises:
            ManifestError: an image that is not in the store.
        """
        return self._codes[self._rows(path)[variant]].astype(np.int64)

    def evidence(self, path: str, variant: int = 0) -> np.ndarray:
        """(channels,) float32 evidence of an image.

        Raises:
            ManifestError: an image that is not in the store, or a store without evidence.
        """
        return self._values[self._rows(path)[variant]]

    def all_evidence(self) -> np.ndarray:
        """(n, channels) float32 evidence of all images and variants."""
        return np.asarray(self._values)

    @property
    def _values(self) -> np.ndarray:
        if self._evidence is None:
            raise ManifestError("The token store holds no evidence; build it again with a classifier.")
        return self._evidence

    def _rows(self, path: str) -> Sequence[int]:
        if path not in self._index:
            raise ManifestError(f"{path} is not in the token store; build the store again from this manifest.")
        return self._index[path]


def write(
    folder: Path | str, codes: np.ndarray, index: Mapping[str, Sequence[int]], grid: tuple[int, int], fingerprint: str
) -> TokenStore:
    """Write a store whole or not at all, replacing one that is there.

    Args:
        folder: where; its parent is made.
        codes: (n, h * w) integers.
        index: path -> the row of each of its variants.
        grid: rows and columns of an image's codes.
        fingerprint: of what made the codes.

    Raises:
        ValueError: a code that 16 bits do not hold.
    """
    folder = Path(folder)
    new = _fresh(folder.with_name(f".{folder.name}.new"))
    np.save(new / CODES, _narrow(codes), allow_pickle=False)
    return _finish(new, folder, index, grid, fingerprint)


def build(
    manifest: Manifest,
    encode: Callable[[Tensor], Tensor],
    pixels: Callable[[ImageRef, int], Tensor],
    out: Path | str,
    fingerprint: str,
    *,
    evidence: Callable[[Tensor], Tensor] | None = None,
    variants: int = 1,
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> TokenStore:
    """The store of all images of a manifest; a whole one that is there is opened, an interrupted one finished.

    Args:
        manifest: whose images.
        encode: the codec, (b, 1, R, R) pixels -> (b, h, w) codes.
        pixels: image and variant -> (1, R, R); variant 0 is the plain image, others are augmented.
        out: folder of the store; the work in progress lies beside it.
        fingerprint: of codec and transform, and of what makes the evidence.
        evidence: (b, 1, R, R) pixels -> (b, channels), if that is kept too.
        variants: how many of each image.
        batch_size: images encoded at a time.
        progress: told of images done and in all.

    Raises:
        CheckpointError: `out` holds a store made with another fingerprint.
        ManifestError: a manifest without images.
    """
    out = Path(out)
    refs = list({ref.path: ref for row in manifest for ref in row.images}.values())
    work = [(ref, variant) for ref in refs for variant in range(variants)]
    if not work:
        raise ManifestError(f"{manifest.corpus or 'The manifest'} has no images; there is nothing to encode.")
    index = {ref.path: list(range(i * variants, (i + 1) * variants)) for i, ref in enumerate(refs)}
    files = [(ref, manifest.path(ref)) for ref in refs]
    known = [(ref.path, ref.aspect, file.stat().st_size if file.is_file() else 0) for ref, file in files]
    images = hashlib.sha256(json.dumps([known, variants]).encode()).hexdigest()[:16]
    if out.exists():
        store = TokenStore.open(out, fingerprint)
        if _read(out / STORE).get("images") == images:
            return store
    part = out.with_name(f".{out.name}.part")
    key = f"{fingerprint} {images}"
    done, codes, values, grid = _resume(part, key)
    while done < len(work):
        batch = work[done : done + batch_size]
        stacked = torch.stack([pixels(ref, variant) for ref, variant in batch])
        with torch.no_grad():
            grids = encode(stacked).cpu().numpy()
            seen = None if evidence is None else evidence(stacked).cpu().numpy()
        if codes is None:
            grid = (grids.shape[1], grids.shape[2])
            _fresh(part)
            codes = _table(part / CODES, np.int16, (len(work), grid[0] * grid[1]))
            values = None if seen is None else _table(part / EVIDENCE, np.float32, (len(work), seen.shape[1]))
        codes[done : done + len(batch)] = _narrow(grids.reshape(len(batch), -1))
        codes.flush()
        if values is not None:
            values[done : done + len(batch)] = seen
            values.flush()
        done += len(batch)
        _write(part / DONE, {"key": key, "done": done, "grid": grid})
        if progress:
            progress(done, len(work))
    channels = 0 if values is None else values.shape[1]
    del codes, values
    return _finish(part, out, index, grid, fingerprint, images, channels)


def _table(path: Path, dtype: type, shape: tuple[int, int]) -> Any:
    return np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)


def _resume(part: Path, key: str) -> tuple[int, Any, Any, tuple[int, int]]:
    """Rows done, the open arrays and the grid of an interrupted build of the same store; 0 and None if none."""
    if not (part / DONE).is_file():
        return 0, None, None, (0, 0)
    state = _read(part / DONE)
    if state["key"] != key:
        return 0, None, None, (0, 0)
    rows, columns = state["grid"]
    codes, values = (
        np.load(path, mmap_mode="r+", allow_pickle=False) if path.is_file() else None
        for path in (part / CODES, part / EVIDENCE)
    )
    return state["done"], codes, values, (rows, columns)


def _finish(
    new: Path,
    folder: Path,
    index: Mapping[str, Sequence[int]],
    grid: tuple[int, int],
    fingerprint: str,
    images: str = "",
    channels: int = 0,
) -> TokenStore:
    """Turn a folder that holds the codes into a whole store at `folder`."""
    _write(new / INDEX, {path: list(rows) for path, rows in index.items()})
    head = {"format": FORMAT, "grid": grid, "fingerprint": fingerprint, "images": images}
    _write(new / STORE, head | ({"evidence": channels} if channels else {}))
    (new / DONE).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    new.replace(folder)
    return TokenStore.open(folder, fingerprint)


def _narrow(codes: np.ndarray) -> np.ndarray:
    if codes.min() < 0 or codes.max() > np.iinfo(np.int16).max:
        raise ValueError(f"Codes run from {codes.min()} to {codes.max()}; the store holds 0 to 32767.")
    return codes.astype(np.int16)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _write(path: Path, value: Any) -> None:
    new = path.with_name(f"{path.name}.new")
    new.write_text(json.dumps(value) + "\n", encoding="utf-8")
    new.replace(path)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ManifestError(f"{path.parent} is not a token store: {path.name} is missing. Build it again.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ManifestError(f"{path} is not valid JSON ({error}); build the token store again.") from None
    return dict(value)
