"""The token store: what networks make of the images of a corpus, computed once.

A folder of tables, one row an image and variant: `codes.npy` (int16, h * w codes), and where they were asked for
`evidence.npy` (float32, channels), `saliency.npy` (float16, h * w cells) and `features.npy` (float16, width).
`index.json` has the rows of each image path, one a variant; `store.json` the format, the grid (h, w), the tables, the
fingerprint of the networks and the transform that made them, and that of the images that they were made of: path,
aspect and size of the file. A store that other networks made is an error; one of other images is built anew. Several
augmentations of an image are variants 1, 2, ...; 0 is the plain one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from radloom.corpora.manifest import ImageRef, Manifest
from radloom.errors import CheckpointError, ManifestError
from radloom.files import write_whole

FORMAT = 2
"""Version of the layout, written to every `store.json`."""

TABLES: Final = {"codes": np.int16, "evidence": np.float32, "saliency": np.float16, "features": np.float16}
"""What a store may hold, and as which type."""

INDEX, STORE, DONE = "index.json", "store.json", "done.json"


class TokenStore:
    """Codes by image path and variant.

    Attributes:
        grid: rows and columns of an image's codes.
        fingerprint: of what made them.
    """

    def __init__(
        self,
        tables: Mapping[str, np.ndarray],
        index: Mapping[str, Sequence[int]],
        grid: tuple[int, int],
        fingerprint: str,
    ) -> None:
        """Args:
        tables: by their names in `TABLES`, each (n, width).
        index: path -> the row of each of its variants.
        grid, fingerprint: see above.
        """
        self._tables, self._index = tables, index
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
        rows = sum(map(len, index.values()))
        tables = {name: _open_table(folder / f"{name}.npy", (rows, width)) for name, width in head["tables"].items()}
        return cls(tables, index, tuple(head["grid"]), fingerprint)

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
            ManifestError: an image that is not in the store, or a store without codes.
        """
        return self._row("codes", path, variant).astype(np.int64)

    def evidence(self, path: str, variant: int = 0) -> np.ndarray:
        """(channels,) float32 evidence of an image. Raises as `codes` does."""
        return self._row("evidence", path, variant)

    def saliency(self, path: str, variant: int = 0) -> np.ndarray:
        """(h * w,) float32 saliency of an image's cells, with mean 1. Raises as `codes` does."""
        return self._row("saliency", path, variant).astype(np.float32)

    def features(self, path: str, variant: int = 0) -> np.ndarray:
        """(width,) float32 features of an image. Raises as `codes` does."""
        return self._row("features", path, variant).astype(np.float32)

    def all_evidence(self) -> np.ndarray:
        """(n, channels) float32 evidence of all images and variants."""
        return np.asarray(self._table("evidence"))

    def _row(self, name: str, path: str, variant: int) -> np.ndarray:
        row: np.ndarray = self._table(name)[self._rows(path)[variant]]
        return row

    def _table(self, name: str) -> np.ndarray:
        if name not in self._tables:
            raise ManifestError(f"The token store holds no {name}; build it again with the network that makes it.")
        return self._tables[name]

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
    np.save(new / "codes.npy", _narrow("codes", codes), allow_pickle=False)
    return _finish(new, folder, {"codes": codes.shape[1]}, index, grid, fingerprint)


def build(
    manifest: Manifest,
    makers: Mapping[str, Callable[[Tensor], Tensor]],
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
        makers: for each table, (b, 1, R, R) pixels -> (b, h, w) codes or saliency, (b, channels) evidence, or
            (b, ...) features.
        pixels: image and variant -> (1, R, R); variant 0 is the plain image, others are augmented.
        out: folder of the store; the work in progress lies beside it.
        fingerprint: of the transform and of what makes the tables.
        variants: how many of each image.
        batch_size: images at a time.
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
    key = f"{fingerprint} {images} {' '.join(makers)}"
    done, tables, grid = _resume(part, key, list(makers))
    while done < len(work):
        batch = work[done : done + batch_size]
        stacked = torch.stack([pixels(ref, variant) for ref, variant in batch])
        with torch.no_grad():
            made = {name: make(stacked).cpu().numpy() for name, make in makers.items()}
        if not tables:
            cells = (rows for name, rows in made.items() if name in ("codes", "saliency") and rows.ndim == 3)
            grid = next((rows.shape[1:] for rows in cells), (0, 0))
            _fresh(part)
            for name, rows in made.items():
                shape = (len(work), rows[0].size)
                tables[name] = np.lib.format.open_memmap(part / f"{name}.npy", "w+", TABLES[name], shape)
        for name, rows in made.items():
            tables[name][done : done + len(batch)] = _narrow(name, rows.reshape(len(batch), -1))
            tables[name].flush()
        done += len(batch)
        _write(part / DONE, {"key": key, "done": done, "grid": grid})
        if progress:
            progress(done, len(work))
    widths = {name: table.shape[1] for name, table in tables.items()}
    tables.clear()
    return _finish(part, out, widths, index, grid, fingerprint, images)


def _open_table(path: Path, shape: tuple[int, int]) -> np.ndarray:
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ManifestError(f"{path} cannot be read ({error}); build the token store again.") from None
    if table.shape != shape:
        raise ManifestError(f"{path} does not fit {INDEX}; build the token store again.")
    return table


def _resume(part: Path, key: str, names: list[str]) -> tuple[int, dict[str, Any], tuple[int, int]]:
    """Rows done, tables and grid of an interrupted build of the same store; 0 and nothing if there is none."""
    if not (part / DONE).is_file():
        return 0, {}, (0, 0)
    state = _read(part / DONE)
    if state["key"] != key:
        return 0, {}, (0, 0)
    rows, columns = state["grid"]
    tables = {name: np.load(part / f"{name}.npy", mmap_mode="r+", allow_pickle=False) for name in names}
    return state["done"], tables, (rows, columns)


def _finish(
    new: Path,
    folder: Path,
    tables: Mapping[str, int],
    index: Mapping[str, Sequence[int]],
    grid: tuple[int, int],
    fingerprint: str,
    images: str = "",
) -> TokenStore:
    """Turn a folder that holds the tables, given with their widths, into a whole store at `folder`."""
    _write(new / INDEX, {path: list(rows) for path, rows in index.items()})
    head = {"format": FORMAT, "grid": grid, "tables": dict(tables), "fingerprint": fingerprint, "images": images}
    _write(new / STORE, head)
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.replace(old)
    new.replace(folder)
    (folder / DONE).unlink(missing_ok=True)  # until now a build that is begun again finds all its work
    shutil.rmtree(old, ignore_errors=True)
    return TokenStore.open(folder, fingerprint)


def _narrow(name: str, rows: np.ndarray) -> np.ndarray:
    if name == "codes" and (rows.min() < 0 or rows.max() > np.iinfo(np.int16).max):
        raise ValueError(f"Codes run from {rows.min()} to {rows.max()}; the store holds 0 to 32767.")
    return rows.astype(TABLES[name])


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _write(path: Path, value: Any) -> None:
    write_whole(path, (json.dumps(value) + "\n").encode(), ManifestError)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ManifestError(f"{path.parent} is not a token store: {path.name} is missing. Build it again.")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ManifestError(f"{path} is not valid JSON ({error}); build the token store again.") from None
    return dict(value)
