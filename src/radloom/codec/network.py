"""The image codec: X-ray <-> a grid of codebook indices.

VQ-GAN (Esser et al. 2021, arXiv 2012.09841) as LLM-CXR uses it: 256 x 256 pixels, 16 x 16 codes, 1024 entries. Two
changes make it trainable on a laptop: a stem that folds 4 x 4 pixels into channels, so that no wide layer runs above
64 x 64, and unit-norm codes of 32 dimensions.

Shapes: pixels (b, 1, R, R) in [-1, 1]; codes (b, R/16, R/16) int64.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radloom import checkpoint
from radloom.codec.quantiser import Quantiser
from radloom.config import from_dict, to_dict
from radloom.imaging import Transform


@dataclass(frozen=True)
class CodecConfig:
    """Sizes of the codec.

    Attributes:
        channels: width at strides 4, 8 and 16.
        encoder_blocks, decoder_blocks: residual blocks at strides 4, 8 and 16.
        detail: width of the decoder's last stage, at stride 2.
        codes, code_dim: entries of the codebook and their width.
    """

    channels: tuple[int, int, int] = (64, 128, 256)
    encoder_blocks: tuple[int, int, int] = (1, 1, 2)
    decoder_blocks: tuple[int, int, int] = (1, 2, 2)
    detail: int = 32
    codes: int = 1024
    code_dim: int = 32

    def build(self) -> Codec:
        return Codec(self)


class Reconstruction(NamedTuple):
    """Pixels (b, 1, R, R), codes and commitment (b, h, w), their codebook vectors (b, d, h, w)."""

    pixels: Tensor
    codes: Tensor
    commitment: Tensor
    vectors: Tensor


class Block(nn.Module):
    """Pre-activation residual block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = _norm(channels), nn.Conv2d(channels, channels, 3, padding=1)
        self.norm2, self.conv2 = _norm(channels), nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(y)))


class Attention(nn.Module):
    """Self-attention over the positions of a feature map."""

    def __init__(self, channels: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.qkv = _norm(channels), nn.Conv2d(channels, 3 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        qkv = self.qkv(self.norm(x)).view(b, 3, self.heads, c // self.heads, h * w).transpose(-1, -2)
        y = F.scaled_dot_product_attention(*qkv.unbind(1))  # (b, heads, h*w, c/heads)
        return x + self.out(y.transpose(-1, -2).reshape(b, c, h, w))


class Codec(nn.Module):
    """Encoder, quantiser and decoder."""

    stride = 16

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.codes_frozen = False
        c4, c8, c16 = config.channels
        e4, e8, e16 = config.encoder_blocks
        d4, d8, d16 = config.decoder_blocks
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(16, c4, 3, padding=1),
            *(Block(c4) for _ in range(e4)),
            nn.Conv2d(c4, c8, 4, stride=2, padding=1),
            *(Block(c8) for _ in range(e8)),
            nn.Conv2d(c8, c16, 4, stride=2, padding=1),
            *(Block(c16) for _ in range(e16)),
            Attention(c16),
            _norm(c16),
            nn.SiLU(),
            nn.Conv2d(c16, config.code_dim, 1),
        )
        self.quantiser = Quantiser(config.codes, config.code_dim)
        self.decoder = nn.Sequential(
            nn.Conv2d(config.code_dim, c16, 3, padding=1),
            Block(c16),
            Attention(c16),
            *(Block(c16) for _ in range(d16 - 1)),
            _widen(c16, c8),
            *(Block(c8) for _ in range(d8)),
            _widen(c8, c4),
            *(Block(c4) for _ in range(d4)),
            _norm(c4),
            nn.SiLU(),
            _widen(c4, config.detail),
            nn.SiLU(),
            nn.Conv2d(config.detail, config.detail, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(config.detail, 4, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def freeze_codes(self) -> Codec:
        """From now on encoder and codebook stay as they are, also in training: images keep their codes."""
        self.codes_frozen = True
        self.encoder.requires_grad_(False)
        return self.train(self.training)

    def train(self, mode: bool = True) -> Codec:
        super().train(mode)
        if self.codes_frozen:
            self.quantiser.eval()
        return self

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels (b, 1, R, R) in [-1, 1] -> codes (b, R/16, R/16)."""
        return self.quantiser(self.encoder(pixels)).codes

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (b, h, w) -> pixels (b, 1, 16h, 16w) in [-1, 1]."""
        return self.decoder(self.quantiser.lookup(codes)).float().clamp(-1, 1)

    def forward(self, pixels: Tensor) -> Reconstruction:
        """Through the codes and back; the pixels are not clamped, so that the loss sees overshoot."""
        quantised = self.quantiser(self.encoder(pixels))
        pixels = self.decoder(quantised.vectors).float()
        return Reconstruction(pixels, quantised.codes, quantised.commitment, quantised.vectors)


def codes_fingerprint(codec: Codec, transform: Transform) -> str:
    """16 hex digits that change when images get other codes: of transform, encoder and codebook, not of the decoder."""
    digest = hashlib.sha256(json.dumps(transform.to_dict(), sort_keys=True).encode())
    for name, tensor in (*sorted(codec.encoder.state_dict().items()), ("codebook", codec.quantiser.codebook)):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().to(torch.bfloat16).contiguous().view(torch.int16).numpy().tobytes())
    return digest.hexdigest()[:16]


def save_codec(codec: Codec, transform: Transform, folder: Path, card: str | None = None) -> Path:
    """Write codec and transform as a checkpoint folder."""
    return checkpoint.save(
        folder, "codec", to_dict(codec.config), codec.state_dict(), transform=transform.to_dict(), card=card
    )


def load_codec(folder: Path | str) -> tuple[Codec, Transform]:
    """Read codec (eval mode) and transform back, strictly.

    Raises:
        CheckpointError: no codec there, or one that does not fit.
    """
    config = from_dict(CodecConfig, checkpoint.read_config(folder, "codec"), "config")
    transform = Transform.from_dict(checkpoint.read_transform(folder))
    with torch.device("meta"):
        codec = config.build()
    codec = codec.to_empty(device="cpu")
    checkpoint.load_state(codec, folder)
    return codec.eval(), transform


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(16 if channels % 16 == 0 else 1, channels, eps=1e-6)


def _widen(inputs: int, outputs: int) -> nn.Sequential:
    """Double the side: a convolution to four times the channels, folded out into pixels."""
    return nn.Sequential(nn.Conv2d(inputs, 4 * outputs, 3, padding=1), nn.PixelShuffle(2))
