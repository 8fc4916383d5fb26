import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from radloom.corpora import tokens
from radloom.corpora.manifest import ImageRef, Manifest, Row
from radloom.corpora.tokens import TokenStore
from radloom.errors import CheckpointError, ManifestError
from radloom.study import View

PATHS = [f"{i}.png" for i in range(5)]


@pytest.fixture
def manifest(tmp_path):
    rows = [Row(str(i), str(i), "train", (ImageRef(path, View.FRONTAL),)) for i, path in enumerate(PATHS)]
    return Manifest(rows, tmp_path, "made up")


def pixels(ref, variant):
    return torch.full((1, 4, 4), float(PATHS.index(ref.path) * 10 + variant))


def encode(batch):
    """Two by two codes, all the value of the image."""
    return batch[:, 0, ::2, ::2].long()


def build(manifest, out, fingerprint="codec-1", encode=encode, evidence=None, saliency=None, **options):
    makers = {"codes": encode, "evidence": evidence, "saliency": saliency}
    makers = {name: make for name, make in makers.items() if make}
    return tokens.build(manifest, makers, pixels, out, fingerprint, batch_size=3, **options)


def test_each_variant_of_each_image_is_found_again(manifest, tmp_path):
    build(manifest, tmp_path / "store", variants=2)
    store = TokenStore.open(tmp_path / "store", "codec-1")
    assert len(store) == 5 and store.grid == (2, 2)
    for i, path in enumerate(PATHS):
        assert path in store and store.variants(path) == 2
        for variant in (0, 1):
            assert store.codes(path, variant).tolist() == [i * 10 + variant] * 4
    assert store.codes(PATHS[0]).dtype == np.int64
    assert np.load(tmp_path / "store" / "codes.npy").dtype == np.int16
    assert "other.png" not in store
    with pytest.raises(ManifestError, match=r"other\.png"):
        store.codes("other.png")


def test_a_store_of_another_codec_is_refused(manifest, tmp_path):
    build(manifest, tmp_path / "store")
    with pytest.raises(CheckpointError, match="codec-1, not codec-2"):
        TokenStore.open(tmp_path / "store", "codec-2")
    with pytest.raises(CheckpointError, match="codec-1, not codec-2"):
        build(manifest, tmp_path / "store", "codec-2")


def evidence(batch):
    """Two channels: the value of the image, and its negative."""
    return torch.stack([batch.mean((1, 2, 3)), -batch.mean((1, 2, 3))], 1)


def test_evidence_is_kept_beside_the_codes(manifest, tmp_path):
    build(manifest, tmp_path / "store", variants=2, evidence=evidence)
    store = TokenStore.open(tmp_path / "store", "codec-1")
    assert store.evidence(PATHS[3], 1).tolist() == [31.0, -31.0] and store.codes(PATHS[3], 1).tolist() == [31] * 4
    assert store.all_evidence().shape == (10, 2) and store.all_evidence().dtype == np.float32
    np.save(tmp_path / "store" / "evidence.npy", np.zeros((9, 2), np.float32))
    with pytest.raises(ManifestError, match=r"evidence\.npy does not fit index\.json"):
        TokenStore.open(tmp_path / "store", "codec-1")


def test_a_store_without_evidence_says_so(manifest, tmp_path):
    with pytest.raises(ManifestError, match="holds no evidence; build it again"):
        build(manifest, tmp_path / "store").evidence(PATHS[0])


def test_a_store_may_hold_saliency_alone(manifest, tmp_path):
    def saliency(batch):
        return batch[:, 0, ::2, ::2] / 8

    store = build(manifest, tmp_path / "store", encode=None, saliency=saliency)
    assert store.grid == (2, 2)
    assert store.saliency(PATHS[3]).tolist() == [3.75] * 4 and store.saliency(PATHS[3]).dtype == np.float32
    with pytest.raises(ManifestError, match="holds no codes"):
        store.codes(PATHS[3])


def test_an_interrupted_build_keeps_its_evidence(manifest, tmp_path):
    def fails(batch):
        if batch.max() >= 30:
            raise KeyboardInterrupt
        return encode(batch)

    with pytest.raises(KeyboardInterrupt):
        build(manifest, tmp_path / "store", encode=fails, evidence=evidence)
    store = build(manifest, tmp_path / "store", evidence=evidence)
    assert store.all_evidence()[:, 0].tolist() == [0.0, 10.0, 20.0, 30.0, 40.0]


def test_an_interrupted_build_goes_on_where_it_stopped(manifest, tmp_path):
    seen = []

    def watched(batch):
        if len(seen) == 3:
            raise KeyboardInterrupt
        seen.extend(batch[:, 0, 0, 0].tolist())
        return encode(batch)

    with pytest.raises(KeyboardInterrupt):
        build(manifest, tmp_path / "store", encode=watched)
    assert not (tmp_path / "store").exists()
    rest = []
    store = build(manifest, tmp_path / "store", encode=lambda b: rest.extend(b[:, 0, 0, 0].tolist()) or encode(b))
    assert rest == [30.0, 40.0]
    assert [int(store.codes(path)[0]) for path in PATHS] == [0, 10, 20, 30, 40]
    assert [p.name for p in tmp_path.iterdir()] == ["store"]


def test_a_build_that_ends_while_it_is_put_in_place_is_not_lost(manifest, tmp_path, monkeypatch):
    build(Manifest(manifest.rows[:2], tmp_path, ""), tmp_path / "store")
    move = Path.replace

    def killed(path, target):
        if Path(target).name == "store":
            raise KeyboardInterrupt
        return move(path, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        build(manifest, tmp_path / "store")
    monkeypatch.undo()
    store = build(manifest, tmp_path / "store", encode=lambda batch: pytest.fail("encoded again"))
    assert [int(store.codes(path)[0]) for path in PATHS] == [0, 10, 20, 30, 40]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["store"]
    assert not (tmp_path / "store" / tokens.DONE).exists()


def test_an_interrupted_build_of_another_codec_starts_anew(manifest, tmp_path):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(manifest, tmp_path / "store", progress=stop)
    store = build(manifest, tmp_path / "store", "codec-2", encode=lambda batch: encode(batch) + 1)
    assert [int(store.codes(path)[0]) for path in PATHS] == [1, 11, 21, 31, 41]


def test_a_whole_store_is_not_built_again_but_a_grown_manifest_is(manifest, tmp_path):
    def never(batch):
        raise AssertionError("encoded again")

    build(manifest, tmp_path / "store")
    build(manifest, tmp_path / "store", encode=never)
    assert len(build(Manifest(manifest.rows[:2], tmp_path, ""), tmp_path / "store")) == 2


def test_progress_counts_images(manifest, tmp_path):
    calls = []
    build(manifest, tmp_path / "store", progress=lambda done, total: calls.append((done, total)))
    assert calls == [(3, 5), (5, 5)]


def test_writing_replaces_a_store(tmp_path):
    for value in (1, 2):
        tokens.write(tmp_path / "store", np.full((1, 4), value), {"a.png": [0]}, (2, 2), "codec-1")
    assert TokenStore.open(tmp_path / "store", "codec-1").codes("a.png").tolist() == [2] * 4


@pytest.mark.parametrize("code", [-1, 2**15])
def test_codes_that_16_bits_do_not_hold_are_refused(tmp_path, code):
    with pytest.raises(ValueError, match="32767"):
        tokens.write(tmp_path / "store", np.full((1, 4), code), {"a.png": [0]}, (2, 2), "codec-1")


def test_a_manifest_without_images_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="no images"):
        build(Manifest([], tmp_path, ""), tmp_path / "store")


@pytest.mark.parametrize("name", ["codes.npy", "index.json", "store.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_damaged_store_is_refused(manifest, tmp_path, name, damage):
    build(manifest, tmp_path / "store")
    path = tmp_path / "store" / name
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ManifestError, match="store"):
        TokenStore.open(tmp_path / "store", "codec-1")


def test_a_store_of_another_format_is_refused(manifest, tmp_path):
    build(manifest, tmp_path / "store")
    head = json.loads((tmp_path / "store" / "store.json").read_text())
    (tmp_path / "store" / "store.json").write_text(json.dumps(head | {"format": 1}))
    with pytest.raises(ManifestError, match="format 1"):
        TokenStore.open(tmp_path / "store", "codec-1")


def test_a_store_of_images_in_other_proportions_is_built_anew(manifest, tmp_path):
    build(manifest, tmp_path / "store")
    made = []

    def watched(batch):
        made.append(len(batch))
        return encode(batch)

    build(manifest, tmp_path / "store", encode=watched)
    assert not made
    row = manifest.rows[0]
    changed = replace(row, images=tuple(replace(ref, aspect=0.7) for ref in row.images))
    build(replace(manifest, rows=[changed, *manifest.rows[1:]]), tmp_path / "store", encode=watched)
    assert made
