"""The token store: the codes of a corpus, computed once.

A folder of `codes.npy` (int16, one row of h * w codes an image and variant), `index.json` (image path -> rows, one a
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

CODES, INDEX, STORE, DONE = "codes.npy", "index.json", "store.json", "done.json"


class TokenStore:
    """Codes by image path and variant.

    Attributes:
        grid: rows and columns of an image's codes.
        fingerprint: of what made them.
    """

    def __init__(
        self, codes: np.ndarray, index: Mapping[str, Sequence[int]], grid: tuple[int, int], fingerprint: str
    ) -> None:
        """Args:
        codes: (n, h * w) int16.
        index: path -> the row of each of its variants.
        grid, fingerprint: see above.
        """
        self._codes, self._index = codes, index
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
        return cls(codes, index, (rows, columns), fingerprint)

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
        fingerprint: of codec and transform.
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
    seen = [(ref.path, ref.aspect, file.stat().st_size if file.is_file() else 0) for ref, file in files]
    images = hashlib.sha256(json.dumps([seen, variants]).encode()).hexdigest()[:16]
    if out.exists():
        store = TokenStore.open(out, fingerprint)
        if _read(out / STORE).get("images") == images:
            return store
    part = out.with_name(f".{out.name}.part")
    key = f"{fingerprint} {images}"
    done, codes, grid = _resume(part, key)
    while done < len(work):
        batch = work[done : done + batch_size]
        with torch.no_grad():
            grids = encode(torch.stack([pixels(ref, variant) for ref, variant in batch])).cpu().numpy()
        if codes is None:
            grid = (grids.shape[1], grids.shape[2])
            _fresh(part)
            codes = np.lib.format.open_memmap(
                part / CODES, mode="w+", dtype=np.int16, shape=(len(work), grid[0] * grid[1])
            )
        codes[done : done + len(batch)] = _narrow(grids.reshape(len(batch), -1))
        codes.flush()
        done += len(batch)
        _write(part / DONE, {"key": key, "done": done, "grid": grid})
        if progress:
            progress(done, len(work))
    del codes
    return _finish(part, out, index, grid, fingerprint, images)


def _resume(part: Path, key: str) -> tuple[int, Any, tuple[int, int]]:
    """Rows done, the open array and the grid of an interrupted build of the same store; (0, None, (0, 0)) if none."""
    if not (part / DONE).is_file():
        return 0, None, (0, 0)
    state = _read(part / DONE)
    if state["key"] != key:
        return 0, None, (0, 0)
    rows, columns = state["grid"]
    return state["done"], np.load(part / CODES, mmap_mode="r+", allow_pickle=False), (rows, columns)


def _finish(
    new: Path,
    folder: Path,
    index: Mapping[str, Sequence[int]],
    grid: tuple[int, int],
    fingerprint: str,
    images: str = "",
) -> TokenStore:
    """Turn a folder that holds the codes into a whole store at `folder`."""
    _write(new / INDEX, {path: list(rows) for path, rows in index.items()})
    _write(new / STORE, {"format": FORMAT, "grid": grid, "fingerprint": fingerprint, "images": images})
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
