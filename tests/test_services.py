import subprocess
import sys
import warnings

import pytest

from radloom.errors import RadloomError
from radloom.imaging import ImageWarning
from radloom.services import check_exposure, logging_to_stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_alone_may_always_reach_it(host: str) -> None:
    check_exposure(host, False, ": do this.")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "", "localhost.example.org"])
def test_others_may_if_allowed(host: str) -> None:
    check_exposure(host, True, ": do this.")
    with pytest.raises(RadloomError, match=r"others can reach the service: do this\."):
        check_exposure(host, False, ": do this.")


@pytest.mark.parametrize("command", [["serve"], ["listen", "spool"]])
def test_it_is_refused_before_anything_large_is_loaded(command: list[str]) -> None:
    script = (
        "import sys; from radloom.cli import main; sys.argv = ['radloom', *sys.argv[1:]]\n"
        "try: main()\n"
        "finally: print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command, "--host", "0.0.0.0"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and "--insecure" in done.stderr, done.stderr
    assert done.stdout == "False\n"


def test_a_service_does_not_warn() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with logging_to_stderr("radloom.serving", ["pydicom"]):
            warnings.warn("Jane Doe has one grey value everywhere.", ImageWarning, stacklevel=1)
        assert not caught
        warnings.warn("and after it again", ImageWarning, stacklevel=1)
        assert len(caught) == 1
