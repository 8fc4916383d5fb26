"""Vector quantiser with a spherical codebook kept by exponential moving averages, and revival of dead codes.

VQ-VAE (van den Oord et al. 2017, arXiv 1711.00937, eq. 3; EMA updates in its appendix A.1); low-dimensional,
l2-normalised codes from ViT-VQGAN (Yu et al. 2021, arXiv 2110.04627, section 3.2), which keep nearly every entry in
use. The codebook begins as encoder outputs of the first batch, since an untrained encoder maps everything into a
narrow cone that few random entries lie in; codes not drawn for a while are replaced by outputs of the current batch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn


class Quantised(NamedTuple):
    """What the quantiser gives back.

    Attributes:
        vectors: (b, d, h, w) codebook vectors, with the straight-through gradient.
        codes: (b, h, w) int64 indices.
        commitment: (b, h, w) squared distance between encoder outputs and their codes.
    """

    vectors: Tensor
    codes: Tensor
    commitment: Tensor


class Quantiser(nn.Module):
    """Nearest unit vector of a codebook.

    Args:
        codes: number of entries.
        dim: width of an entry.
        decay: of the moving averages of counts and sums.
        revive_below: an entry whose average count a batch falls below this share of the uniform count is replaced.
    """

    codebook: Tensor
    begun: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, codes: int = 1024, dim: int = 32, decay: float = 0.98, revive_below: float = 0.05) -> None:
        super().__init__()
        self.decay, self.revive_below = decay, revive_below
        start = F.normalize(torch.randn(codes, dim), dim=1)
        self.register_buffer("codebook", start)
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))
        self.register_buffer("counts", torch.ones(codes))
        self.register_buffer("sums", start.clone())

    def lookup(self, codes: Tensor) -> Tensor:
        """Indices (b, h, w) -> vectors (b, d, h, w)."""
        return self.codebook[codes].permute(0, 3, 1, 2)

    @torch.autocast("cpu", enabled=False)
    @torch.autocast("cuda", enabled=False)
    def forward(self, z: Tensor) -> Quantised:
        """Quantise encoder outputs z (b, d, h, w); in training mode the codebook follows them."""
        b, d, h, w = z.shape
        flat = F.normalize(z.float().permute(0, 2, 3, 1).reshape(-1, d), dim=1)  # (b*h*w, d)
        if self.training and not self.begun:
            self._begin(flat.detach())
        codes = (flat.detach() @ self.codebook.T).argmax(1)
        vectors = self.codebook[codes]  # before the codebook moves: an entry just revived is another one
        if self.training:
            self._follow(flat.detach(), codes)
        commitment = (flat - vectors.detach()).square().sum(1).view(b, h, w)
        vectors = flat + (vectors - flat).detach()
        return Quantised(vectors.view(b, h, w, d).permute(0, 3, 1, 2).contiguous(), codes.view(b, h, w), commitment)

    @torch.no_grad()
    def _begin(self, flat: Tensor) -> None:
        self.codebook.copy_(self._drawn(flat, len(self.codebook)))
        self.sums.copy_(self.codebook)
        self.begun.fill_(True)

    def _drawn(self, flat: Tensor, count: int) -> Tensor:
        """`count` of the encoder outputs at random, the same on every process."""
        drawn = flat[torch.randint(len(flat), (count,), device=flat.device)]
        if dist.is_available() and dist.is_initialized():
            dist.broadcast(drawn, 0)
        return drawn

    @torch.no_grad()
    def _follow(self, flat: Tensor, codes: Tensor) -> None:
        counts = torch.bincount(codes, minlength=len(self.codebook)).to(flat.dtype)
        sums = torch.zeros_like(self.sums).index_add_(0, codes, flat)
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(counts)
            dist.all_reduce(sums)
        self.counts.lerp_(counts, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        uniform = counts.sum() / len(counts)
        dead = self.counts < self.revive_below * uniform
        if dead.any():
            self.sums[dead] = self._drawn(flat, int(dead.sum())) * uniform
            self.counts[dead] = uniform
        self.codebook.copy_(F.normalize(self.sums, dim=1))
