"""What the machine computes with: devices by name, and whether bfloat16 is worth using."""

from __future__ import annotations

from typing import TYPE_CHECKING

from radloom.errors import RadloomError

if TYPE_CHECKING:
    import torch


def usable(device: str | torch.device) -> torch.device:
    """A device by its name, tried out.

    Raises:
        RadloomError: this machine does not have it.
    """
    import torch

    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        reason = next(iter(str(error).splitlines()), "").split(": ")[0]  # not the list of all that torch knows
        raise RadloomError(f"Device {str(device)!r} cannot be used ({reason}); take cpu.") from None


def bfloat16_in_hardware() -> bool:
    """Whether this machine's accelerator, or its processor if there is none, multiplies bfloat16 itself.

    Where it does not, bfloat16 is emulated: the codec trained 20 times slower than in float32 on an AVX2 processor.
    """
    import torch

    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if accelerator is None:
        capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
        return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))
    return accelerator.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
