"""Reading DICOM: polarity, LUTs and windows, orientation, transfer syntaxes, and objects that are no radiograph."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import uid
from pydicom.data import get_testdata_file

import tiny
from radloom.errors import ImageError
from radloom.imaging import MAX_PIXELS, ImageWarning, dicom_view, read_image
from radloom.interop import read_source
from radloom.study import View
from recode import recode

WriteDicom = Callable[..., Path]


def twelve_bit(image: np.ndarray) -> np.ndarray:
    return np.rint(image * 4095).astype(np.uint16)


FULL = {"WindowCenter": 2048, "WindowWidth": 4096, "BitsStored": 12}
"""The window that shows all of 12 bits."""


def lookup_table(curve: np.ndarray, first: int, bits: int, vr: str) -> pydicom.Dataset:
    item = pydicom.Dataset()
    item.add_new("LUTDescriptor", "US", [len(curve), first, bits])
    item.add_new("LUTData", vr, curve.tobytes() if vr == "OW" else curve.tolist())
    return item


def as_jpeg(image: np.ndarray, write_dicom: WriteDicom) -> Path:
    """A DICOM file whose pixels are a baseline JPEG stream."""
    grey = np.rint(image * 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "JPEG", quality=100)
    path = write_dicom(grey)
    dataset = pydicom.dcmread(path)
    dataset.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    dataset.PixelData = pydicom.encaps.encapsulate([stream.getvalue()])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(path)
    return path


class TestGreyValues:
    def test_monochrome2(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        image = read_image(write_dicom(twelve_bit(chest), **FULL))
        assert image.dtype == np.float32
        np.testing.assert_allclose(image, chest, atol=1e-3)

    def test_monochrome1_is_inverted(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        stored = 4095 - twelve_bit(chest)
        image = read_image(write_dicom(stored, PhotometricInterpretation="MONOCHROME1", **FULL))
        np.testing.assert_allclose(image, chest, atol=1e-3)

    def test_monochrome1_without_a_window(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        stored = 4095 - twelve_bit(chest)
        image = read_image(write_dicom(stored, PhotometricInterpretation="MONOCHROME1", BitsStored=12))
        np.testing.assert_allclose(image, chest, atol=0.01)

    def test_signed_pixels(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        stored = (twelve_bit(chest).astype(np.int32) - 2000).astype(np.int16)
        image = read_image(write_dicom(stored, WindowCenter=48, WindowWidth=4096))
        np.testing.assert_allclose(image, chest, atol=1e-3)

    def test_the_window_is_in_rescaled_units(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        path = write_dicom(
            twelve_bit(chest), RescaleSlope=2, RescaleIntercept=-100, WindowCenter=3995, WindowWidth=8191
        )
        np.testing.assert_allclose(read_image(path), chest, atol=1e-3)

    def test_a_negative_slope_turns_the_picture_over(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        path = write_dicom(4095 - twelve_bit(chest), RescaleSlope=-1, RescaleIntercept=4095, **FULL)
        np.testing.assert_allclose(read_image(path), chest, atol=1e-3)

    @pytest.mark.parametrize(
        ("function", "expected"),
        # PS3.3 C.11.2.1.2.1 and C.11.2.1.3 for center 100, width 51, at 50, 100, 110, 200
        [
            (None, [0, 0.51, 0.71, 1]),
            ("LINEAR_EXACT", [0, 0.5, 0.5 + 10 / 51, 1]),
            ("SIGMOID", [1 / (1 + np.exp(200 / 51)), 0.5, 1 / (1 + np.exp(-40 / 51)), 1 / (1 + np.exp(-400 / 51))]),
        ],
    )
    def test_window_functions(self, write_dicom: WriteDicom, function: str | None, expected: list[float]) -> None:
        stored = np.tile(np.uint16([50, 100, 110, 200]), (16, 4))
        given_function = {} if function is None else {"VOILUTFunction": function}
        image = read_image(write_dicom(stored, WindowCenter=100, WindowWidth=51, **given_function))
        np.testing.assert_allclose(image[0, :4], expected, atol=1e-6)

    def test_the_first_of_several_windows(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        path = write_dicom(twelve_bit(chest), WindowCenter=[2048, 100], WindowWidth=[4096, 10], BitsStored=12)
        np.testing.assert_allclose(read_image(path), chest, atol=1e-3)

    def test_a_window_that_shows_nothing_is_reported_and_not_used(
        self, chest: np.ndarray, write_dicom: WriteDicom
    ) -> None:
        path = write_dicom(twelve_bit(chest), WindowCenter=-9000, WindowWidth=10)
        with pytest.warns(ImageWarning, match="shows nothing"):
            image = read_image(path)
        np.testing.assert_allclose(image, chest, atol=0.01)

    def test_without_a_window_markers_do_not_set_the_scale(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        big = np.kron(chest, np.ones((8, 8), np.float32))
        stored = np.rint(big * 1000).astype(np.uint16)
        stored[:10, -10:] = 16000
        image = read_image(write_dicom(stored, BitsStored=14))
        np.testing.assert_allclose(image[10:], big[10:], atol=0.01)

    def test_8_bits_without_a_window_are_display_ready(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        stored = np.rint(chest * 100).astype(np.uint8)
        for attributes in ({}, {"RescaleSlope": 1, "RescaleIntercept": 0}):
            np.testing.assert_allclose(read_image(write_dicom(stored, **attributes)), stored / 255, atol=1e-6)

    @pytest.mark.parametrize(("used", "stated"), [(8, 8), (12, 12), (12, 16)])
    @pytest.mark.parametrize("vr", ["US", "OW"])
    def test_voi_lut(self, chest: np.ndarray, write_dicom: WriteDicom, used: int, stated: int, vr: str) -> None:
        curve = np.rint(np.sqrt(np.arange(4096) / 4095) * (2**used - 1)).astype(np.uint16)
        path = write_dicom(twelve_bit(chest), VOILUTSequence=[lookup_table(curve, 0, stated, vr)], **FULL)
        np.testing.assert_allclose(read_image(path), np.sqrt(chest), atol=0.01)

    def test_voi_lut_in_packed_bytes(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        curve = np.arange(255, -1, -1).astype(np.uint8)
        stored = np.rint((1 - chest) * 255).astype(np.uint8)
        path = write_dicom(stored, VOILUTSequence=[lookup_table(curve, 0, 8, "OW")])
        np.testing.assert_allclose(read_image(path), chest, atol=1e-6)

    def test_voi_lut_of_rescaled_values(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        table = lookup_table((np.arange(4096) * 16).astype(np.uint16), 1000, 16, "US")
        path = write_dicom(twelve_bit(chest), VOILUTSequence=[table], RescaleSlope=1, RescaleIntercept=1000)
        np.testing.assert_allclose(read_image(path), chest, atol=1e-3)

    def test_modality_lut(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        lut = lookup_table(np.arange(4095, -1, -1).astype(np.uint16), 0, 16, "US")
        lut.ModalityLUTType = "US"
        path = write_dicom(4095 - twelve_bit(chest), ModalityLUTSequence=[lut], **FULL)
        np.testing.assert_allclose(read_image(path), chest, atol=1e-3)

    def test_modality_lut_of_more_bits_than_are_stored(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        lut = lookup_table((np.arange(256) * 257).astype(np.uint16), 0, 16, "US")
        lut.ModalityLUTType = "US"
        image = read_image(write_dicom(np.rint(chest * 255).astype(np.uint8), ModalityLUTSequence=[lut]))
        assert 0 <= image.min() and image.max() <= 1
        np.testing.assert_allclose(image, chest, atol=0.1)  # stretched between percentiles

    def test_padding_is_black_and_does_not_set_the_scale(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        stored = twelve_bit(chest) // 4 + 3000
        stored[:, :4] = 0
        image = read_image(write_dicom(stored, BitsStored=12, PixelPaddingValue=0))
        assert (image[:, :4] == 0).all()
        np.testing.assert_allclose(image[:, 4:], chest[:, 4:], atol=0.01)

    def test_a_constant_image_gives_no_nan(self, write_dicom: WriteDicom) -> None:
        assert np.isfinite(read_image(write_dicom(np.full((20, 20), 700, np.uint16)))).all()

    def test_unprocessed_images_are_reported(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        with pytest.warns(ImageWarning, match="FOR PROCESSING"):
            read_image(write_dicom(twelve_bit(chest), PresentationIntentType="FOR PROCESSING"))

    @pytest.mark.parametrize("part", ["HAND", "LSPINE", "Skull"])
    def test_another_part_of_the_body_is_reported(self, chest: np.ndarray, write_dicom: WriteDicom, part: str) -> None:
        with pytest.warns(ImageWarning, match=f"says that it shows the {part.lower()}; radloom knows chests alone"):
            read_image(write_dicom(twelve_bit(chest), BodyPartExamined=part))

    @pytest.mark.parametrize("part", ["CHEST", "Thorax", "CHEST_TO_ABDOMEN", "RIBS", ""])
    def test_chests_are_not(self, chest: np.ndarray, write_dicom: WriteDicom, part: str) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ImageWarning)
            read_image(write_dicom(twelve_bit(chest), BodyPartExamined=part))


class TestColour:
    def test_grey_rgb_capture(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        grey = np.rint(chest * 255).astype(np.uint8)
        with warnings.catch_warnings():
            warnings.simplefilter("error", ImageWarning)
            image = read_image(write_dicom(np.dstack([grey] * 3), Modality="OT"))
        np.testing.assert_allclose(image, chest, atol=1e-6)

    def test_a_photo_is_reported(self, write_dicom: WriteDicom) -> None:
        red = np.zeros((20, 20, 3), np.uint8)
        red[..., 0] = 255
        with pytest.warns(ImageWarning, match="colour"):
            np.testing.assert_allclose(read_image(write_dicom(red)), 0.299, atol=1e-3)


class TestTransferSyntaxes:
    @pytest.mark.parametrize("syntax", [uid.RLELossless, uid.JPEG2000Lossless])
    def test_lossless(self, chest: np.ndarray, write_dicom: WriteDicom, syntax: str) -> None:
        image = read_image(write_dicom(twelve_bit(chest), syntax=syntax, **FULL))
        np.testing.assert_allclose(image, chest, atol=1e-3)

    def test_jpeg_baseline(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        np.testing.assert_allclose(read_image(as_jpeg(chest, write_dicom)), chest, atol=0.02)

    @pytest.mark.filterwarnings("ignore")
    def test_damaged_jpeg_does_not_end_the_process(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        path = as_jpeg(chest, write_dicom)
        whole = path.read_bytes()
        start = whole.index(b"\xff\xd8\xff")
        random = np.random.default_rng(0)
        refused = 0
        for _ in range(60):
            damaged = bytearray(whole)
            for position in random.integers(start, len(whole), 4):
                damaged[position] = random.integers(256)
            path.write_bytes(damaged)
            try:
                assert read_image(path).shape == chest.shape
            except ImageError:
                refused += 1
        assert refused

    @pytest.mark.parametrize("syntax", ["JPEGLosslessProcess14_1", "JPEGLSLossless"])
    def test_jpeg_lossless(self, chest: np.ndarray, write_dicom: WriteDicom, tmp_path: Path, syntax: str) -> None:
        plain = write_dicom(twelve_bit(chest), **FULL)
        np.testing.assert_allclose(read_image(recode(plain, tmp_path / "out.dcm", syntax)), chest, atol=1e-3)

    def test_a_decoder_that_dies_does_not_end_the_process(self, write_dicom: WriteDicom, tmp_path: Path) -> None:
        path = recode(write_dicom(tiny.draw_chest()), tmp_path / "out.dcm", "JPEGLSLossless")
        damaged = bytearray(path.read_bytes())
        damaged[damaged.index(b"\xff\xf7\x00\x0b") + 4] = 17  # bits of a sample, in the stream's frame header
        path.write_bytes(damaged)
        with pytest.raises(ImageError, match=r"out\.dcm cannot be decoded \(its decoder died of signal"):
            read_image(path)

    def test_lossy_jpeg_of_12_bits(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        dataset = pydicom.dcmread(str(get_testdata_file("JPGExtended.dcm", download=False)))  # of a bone scan
        dataset.update({"Modality": "DX", "WindowCenter": 2048, "WindowWidth": 4096})
        dataset.save_as(tmp_path / "lossy.dcm")
        stored = read_image(tmp_path / "lossy.dcm") * 4095
        assert stored.shape == (1024, 256)
        assert stored.max() == pytest.approx(264, abs=0.1)  # as DCMTK decodes it
        assert stored.mean() == pytest.approx(14.383, abs=0.01)
        available = SimpleNamespace(available_plugins=("gdcm", "pillow"))
        monkeypatch.setattr("pydicom.pixels.get_decoder", lambda syntax: available)
        with pytest.raises(ImageError, match=r"12 bits.*pip install pylibjpeg-libjpeg"):
            read_image(tmp_path / "lossy.dcm")

    @pytest.mark.parametrize(
        "syntax", [uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian]
    )
    def test_uncompressed(self, chest: np.ndarray, write_dicom: WriteDicom, syntax: uid.UID) -> None:
        path = write_dicom(twelve_bit(chest), **FULL)
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(path, implicit_vr=syntax.is_implicit_VR, little_endian=True)
        np.testing.assert_allclose(read_image(path), chest, atol=1e-3)

    @pytest.mark.parametrize("syntax", [uid.JPEGBaseline8Bit, uid.JPEG2000Lossless])
    def test_a_compressed_image_larger_than_stated_is_not_decoded(
        self, chest: np.ndarray, write_dicom: WriteDicom, syntax: uid.UID, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kind, how = ("JPEG", {}) if syntax == uid.JPEGBaseline8Bit else ("JPEG2000", {"no_jp2": True})
        stream = io.BytesIO()
        Image.fromarray(np.zeros((900, 700), np.uint8)).save(stream, kind, **how)
        path = write_dicom(np.rint(chest * 255).astype(np.uint8))
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = pydicom.encaps.encapsulate([stream.getvalue()])
        dataset["PixelData"].VR = "OB"
        dataset.save_as(path)
        monkeypatch.setattr("pydicom.pixels.pixel_array", lambda *_, **__: pytest.fail("it was decoded"))
        with pytest.raises(ImageError, match=r"but its compressed image has 900 x 700; export it again"):
            read_image(path)

    def test_pixels_that_read_like_a_header_are_none(self, write_dicom: WriteDicom) -> None:
        stored = np.arange(64, dtype=np.uint8).reshape(8, 8).repeat(8, 0).repeat(8, 1)
        stored[0, 8:12] = 0xFF, 0x4F, 0xFF, 0x51  # JPEG 2000's, within a stream of run lengths
        path = write_dicom(stored, WindowCenter=128, WindowWidth=256)
        dataset = pydicom.dcmread(path)
        dataset.compress(uid.RLELossless, generate_instance_uid=False)
        dataset.save_as(path)
        assert b"\xff\x4f\xff\x51" in path.read_bytes()
        np.testing.assert_allclose(read_image(path), stored / 255, atol=1e-3)

    @pytest.mark.parametrize("padding", [2, 2000])
    def test_a_deflated_file_is_inflated_no_further_than_an_image_goes(
        self, chest: np.ndarray, write_dicom: WriteDicom, monkeypatch: pytest.MonkeyPatch, padding: int
    ) -> None:
        path = write_dicom(np.rint(chest * 255).astype(np.uint8))
        dataset = pydicom.dcmread(path)
        dataset.file_meta.TransferSyntaxUID = uid.DeflatedExplicitVRLittleEndian
        dataset.add_new((0x0009, 0x0010), "LO", "TEST")
        dataset.add_new((0x0009, 0x1001), "OB", bytes(40_000_000))
        dataset.file_meta.FileMetaInformationVersion = bytes(padding)  # which puts the syntax far into the file
        dataset.save_as(path, implicit_vr=False, little_endian=True)
        assert path.stat().st_size < 100_000
        monkeypatch.setattr("pydicom.dcmread", lambda *_, **__: pytest.fail("it was inflated"))
        with pytest.raises(ImageError, match="is deflated, and larger than"):
            read_image(path, max_pixels=1_000_000)
        monkeypatch.setattr("radloom.imaging.dicom._OTHERS", 1 - 8 * MAX_PIXELS + 1_000_000)
        for read in (read_source, dicom_view):
            with pytest.raises(ImageError, match="is deflated, and larger than"):
                read(path)

    @pytest.mark.parametrize("implicit", [True, False])
    def test_a_file_without_preamble_is_known_by_its_suffix(
        self, chest: np.ndarray, write_dicom: WriteDicom, implicit: bool
    ) -> None:
        path = write_dicom(twelve_bit(chest), **FULL)
        dataset = pydicom.dcmread(path)
        dataset.preamble, dataset.file_meta = None, pydicom.dataset.FileMetaDataset()
        dataset.save_as(path, implicit_vr=implicit, little_endian=True)
        assert path.read_bytes()[128:132] != b"DICM"
        np.testing.assert_allclose(read_image(path), chest, atol=1e-3)

    def test_a_preamble_needs_no_suffix(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        np.testing.assert_allclose(read_image(write_dicom(twelve_bit(chest), name="IM0001", **FULL)), chest, atol=1e-3)


class TestGeometry:
    @pytest.mark.parametrize(
        ("orientation", "stored"),
        # what a detector stores for the upright picture, by the directions of its rows and columns
        [
            (["L", "F"], lambda image: image),
            (["R", "F"], np.fliplr),
            (["L", "H"], np.flipud),
            (["R", "H"], lambda image: np.rot90(image, 2)),
            (["F", "L"], lambda image: image.T),
            (["F", "R"], np.rot90),
            (["H", "L"], lambda image: np.rot90(image, -1)),
            (["H", "R"], lambda image: np.rot90(image, 2).T),
            (["LA", "FP"], lambda image: image),
        ],
    )
    def test_frontal(
        self, chest: np.ndarray, write_dicom: WriteDicom, orientation: list[str], stored: Callable
    ) -> None:
        pixels = np.ascontiguousarray(twelve_bit(stored(chest)))
        path = write_dicom(pixels, PatientOrientation=orientation, **FULL)
        np.testing.assert_allclose(read_image(path), chest, atol=1e-3)

    @pytest.mark.parametrize(
        ("orientation", "stored"),
        [
            (["P", "F"], lambda image: image),
            (["A", "F"], lambda image: image),
            (["A", "H"], lambda image: np.rot90(image, 2)),
            (["H", "P"], lambda image: np.rot90(image, -1)),
            (["F", "A"], np.rot90),
        ],
    )
    def test_lateral_is_turned_but_not_mirrored(
        self, chest: np.ndarray, write_dicom: WriteDicom, orientation: list[str], stored: Callable
    ) -> None:
        pixels = np.ascontiguousarray(twelve_bit(stored(chest)))
        path = write_dicom(pixels, PatientOrientation=orientation, **FULL)
        np.testing.assert_allclose(read_image(path), chest, atol=1e-3)

    @pytest.mark.parametrize("orientation", [None, "", "L", ["L", "R"], ["L", ""], ["H", "F"], ["X", "Y"]])
    def test_an_orientation_that_says_nothing_changes_nothing(
        self, chest: np.ndarray, write_dicom: WriteDicom, orientation: str | list[str] | None
    ) -> None:
        given_orientation = {} if orientation is None else {"PatientOrientation": orientation}
        np.testing.assert_allclose(
            read_image(write_dicom(twelve_bit(chest), **given_orientation, **FULL)), chest, atol=1e-3
        )

    def test_what_was_done_on_the_detector_is_not_done_again(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        path = write_dicom(twelve_bit(chest), FieldOfViewRotation=90, FieldOfViewHorizontalFlip="YES", **FULL)
        np.testing.assert_allclose(read_image(path), chest, atol=1e-3)

    @pytest.mark.parametrize(
        ("attributes", "shape"),
        [
            ({"PixelSpacing": [0.1, 0.2]}, (24, 40)),
            ({"ImagerPixelSpacing": [0.2, 0.1]}, (48, 20)),
            ({"PixelAspectRatio": [1, 2]}, (24, 40)),
            ({"PixelSpacing": [0.143, 0.143]}, (48, 40)),
            ({"PixelSpacing": [0, 0.1]}, (48, 40)),
        ],
    )
    def test_pixels_become_square(
        self, chest: np.ndarray, write_dicom: WriteDicom, attributes: dict[str, list[float]], shape: tuple[int, int]
    ) -> None:
        assert read_image(write_dicom(twelve_bit(chest), **attributes, **FULL)).shape == shape


class TestRefused:
    def refused(self, path: Path, says: str) -> None:
        with pytest.raises(ImageError, match=says) as caught:
            read_image(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("modality", ["CT", "MR", "US", "PT", "MG"])
    def test_other_modalities(self, chest: np.ndarray, write_dicom: WriteDicom, modality: str) -> None:
        self.refused(write_dicom(twelve_bit(chest), Modality=modality), f"modality {modality}")

    def test_several_frames(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        self.refused(write_dicom(twelve_bit(chest), NumberOfFrames=3), "modality DX.*3 frames")

    def test_no_pixels(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        self.refused(write_dicom(twelve_bit(chest), PixelData=None), "without pixels")

    def test_no_image(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        self.refused(write_dicom(twelve_bit(chest), Rows=None), "without an image")

    def test_too_small(self, write_dicom: WriteDicom) -> None:
        self.refused(write_dicom(np.zeros((1, 1), np.uint16)), "too few")

    def test_too_large_is_seen_before_decoding(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        self.refused(write_dicom(twelve_bit(chest), Rows=20_000, Columns=20_000), "20000 x 20000")

    def test_truncated(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        path = write_dicom(twelve_bit(chest))
        path.write_bytes(path.read_bytes()[:-500])
        self.refused(path, "cannot be decoded")

    def test_bytes_that_are_not_dicom(self, tmp_path: Path) -> None:
        (tmp_path / "a.dcm").write_bytes(bytes(range(256)) * 8)
        self.refused(tmp_path / "a.dcm", "DICOM|cannot be decoded")

    def test_unknown_photometric_interpretation(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        self.refused(write_dicom(twelve_bit(chest), PhotometricInterpretation="HSV"), "HSV")


class TestView:
    @pytest.mark.parametrize(
        ("position", "view"),
        [
            ("PA", View.FRONTAL),
            ("AP", View.FRONTAL),
            ("LL", View.LATERAL),
            ("RL", View.LATERAL),
            ("LATERAL", View.LATERAL),
            ("RAO", None),
            ("", None),
        ],
    )
    def test_stated_view(self, chest: np.ndarray, write_dicom: WriteDicom, position: str, view: View | None) -> None:
        assert dicom_view(write_dicom(twelve_bit(chest), ViewPosition=position)) is view

    @pytest.mark.parametrize(
        ("code", "view"),
        [("399033003", View.FRONTAL), ("399173006", View.LATERAL), ("399182000", None)],  # the last one is oblique
    )
    def test_view_stated_as_a_code(
        self, chest: np.ndarray, write_dicom: WriteDicom, code: str, view: View | None
    ) -> None:
        item = pydicom.Dataset()
        item.CodeValue = code
        assert dicom_view(write_dicom(twelve_bit(chest), ViewCodeSequence=[item])) is view
        both = write_dicom(twelve_bit(chest), ViewPosition="LL", ViewCodeSequence=[item])
        assert dicom_view(both) is View.LATERAL

    def test_nothing_stated(self, chest: np.ndarray, write_dicom: WriteDicom) -> None:
        assert dicom_view(write_dicom(twelve_bit(chest))) is None

    def test_not_dicom(self, tmp_path: Path) -> None:
        Image.new("L", (20, 20)).save(tmp_path / "a.png")
        assert dicom_view(tmp_path / "a.png") is None

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match="does not exist"):
            dicom_view(tmp_path / "none.dcm")


@settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_give_an_image_or_an_image_error(
    write_dicom: WriteDicom, tmp_path: Path, data: st.DataObject
) -> None:
    noise = np.random.default_rng(0).integers(0, 4096, (20, 18), np.uint16)
    path = write_dicom(
        noise, **FULL, PatientOrientation=["R", "F"], PixelSpacing=[0.1, 0.2], RescaleSlope=1, RescaleIntercept=0
    )
    content = bytearray(path.read_bytes())
    header = len(content) - noise.nbytes
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(128, header - 1))] = data.draw(st.integers(0, 255))
    del content[data.draw(st.integers(header - 50, len(content))) :]
    path.write_bytes(content)
    try:
        image = read_image(path, max_pixels=10_000)
    except ImageError as error:
        assert str(path) in str(error)
    else:
        assert image.ndim == 2
        assert 0 <= image.min() <= image.max() <= 1
