"""The any-to-any model: prompt space, report autoencoder and denoisers as one checkpoint.

The folder has `config.json`, `model.safetensors` and `tokenizer.json`. It belongs to one codec, whose codebook vectors
are its image latents, and to one classifier, whose features its image tower reads; it carries their fingerprints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from radloom import checkpoint
from radloom.classifier.model import ClinicalClassifier
from radloom.config import from_dict, to_dict
from radloom.diffusion.alignment import AlignmentConfig, regions
from radloom.diffusion.autoencoder import AutoencoderConfig
from radloom.diffusion.denoiser import DenoiserConfig
from radloom.diffusion.environment import EnvironmentConfig, with_others
from radloom.diffusion.sampling import STEPS, check_settings, denoise, guided, start
from radloom.diffusion.text import ReportTokenizer
from radloom.errors import CheckpointError, RecipeError
from radloom.study import Part, Report, View

KIND = "any-to-any"

AT_ONCE = 32
"""Images that are looked at together."""


@dataclass(frozen=True)
class AnyToAnyConfig:
    """Sizes of its parts, and what it belongs to.

    Attributes:
        alignment, autoencoder, denoisers, environments: sizes; without environments, parts that are made together do
            not know of each other.
        codec: fingerprint of the codes whose vectors are its image latents.
        classifier: fingerprint of the classifier whose features it reads.
    """

    alignment: AlignmentConfig
    autoencoder: AutoencoderConfig
    denoisers: DenoiserConfig
    codec: str
    classifier: str
    environments: EnvironmentConfig | None = None


class AnyToAny(nn.Module):
    """All networks of any-to-any, and the report tokenizer."""

    def __init__(self, config: AnyToAnyConfig, tokenizer: ReportTokenizer) -> None:
        super().__init__()
        self.config, self.tokenizer = config, tokenizer
        self.alignment = config.alignment.build()
        self.autoencoder = config.autoencoder.build()
        self.denoisers = config.denoisers.build()
        self.environments = config.environments.build(config.denoisers) if config.environments else None

    @property
    def device(self) -> torch.device:
        return self.alignment.logit_scale.device

    def save(self, folder: Path | str, card: str | None = None, dtype: str = "bfloat16") -> Path:
        """Write the checkpoint folder, replacing one that is there; see `checkpoint.save` for `dtype`."""
        config, texts = to_dict(self.config), self.tokenizer.files()
        return checkpoint.save(folder, KIND, config, self.state_dict(), dtype=dtype, card=card, beside=texts)

    @classmethod
    def load(cls, folder: Path | str, codec: str | None = None, classifier: str | None = None) -> AnyToAny:
        """Read a folder that `save` wrote, in eval mode.

        Args:
            folder: the checkpoint.
            codec, classifier: fingerprints of what will be used with it, if they should be checked.

        Raises:
            CheckpointError: not such a folder, one with missing or unexpected weights, or of another codec or
                classifier.
        """
        try:
            config = from_dict(AnyToAnyConfig, checkpoint.read_config(folder, KIND), "config")
        except RecipeError as error:
            raise CheckpointError(f"{folder} is of another version of radloom ({error}) Train it anew.") from None
        for name, used in (("codec", codec), ("classifier", classifier)):
            own = getattr(config, name)
            if used is not None and used != own:
                raise CheckpointError(
                    f"{folder} was trained with {name} {own}, not {used}. Use the {name} it belongs to."
                )
        model = cls(config, ReportTokenizer.load(folder))
        checkpoint.load_state(model, folder)
        return model.eval()

    # -- prompts -------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def image_vectors(self, features: Tensor, view: View) -> Tensor:
        """Vectors (b, width) of images of one view, from their features (b, 4, 1280)."""
        numbers = torch.full((len(features),), view.number, device=self.device)
        return self.alignment.images(features.to(self.device), numbers)

    def pixel_vectors(self, classifier: ClinicalClassifier, pixels: Tensor, view: View) -> Tensor:
        """Vectors (b, width) of images of one view, from their pixels (b, 1, R, R), as the classifier sees them."""
        return torch.cat([self.image_vectors(regions(classifier, some), view) for some in pixels.split(AT_ONCE)])

    @property
    def room(self) -> int:
        """Tokens of a report that become its vector; those after them are not read."""
        return self.config.alignment.longest - 2

    @torch.no_grad()
    def report_vectors(self, reports: Sequence[Report]) -> Tensor:
        """Vectors (b, width) of reports."""
        ids = self.tokenizer.batch(reports, self.config.alignment.longest)
        return self.alignment.reports(ids.to(self.device))

    # -- generation ----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def make(
        self,
        prompts: Tensor,
        told: Tensor,
        want: Sequence[Part],
        *,
        seeds: Sequence[int],
        guidance: float = 1.0,
        guided_below: int = STEPS,
        sampler: str = "dpm++",
        steps: int = 20,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[Part, Tensor]:
        """Latents of the wanted parts, denoised together, each told of the others by their environments.

        Args:
            prompts: (b, width) vectors of what is given.
            told: (b,) whether anything is; without, a part is made of nothing, or of what the others become.
            want: the parts.
            seeds: one each; a part's noise depends on its seed alone.
            guidance: classifier-free guidance; 1 is none.
            guided_below: noise level from which on nothing is guided. Where hardly anything is seen yet, guidance does
                nothing but wash pictures out (Kynkäänniemi et al. 2024, arXiv 2404.07724).
            sampler, steps: see `sampling.denoise`.
            progress: told of steps done and in all.

        Returns:
            For each part (b, ...) latents as the codec and the report autoencoder have them.

        Raises:
            RadloomError: see `sampling.check_settings`.
        """
        check_settings(sampler, steps, guidance)
        own = self.denoisers
        device = own.device  # in training they alone may be on an accelerator
        noise = {p: x.to(device) for p, x in start({p: own.shape(p) for p in want}, seeds).items()}
        prompts, told = prompts.to(device), told.to(device)
        encoders = self.environments if len(want) > 1 else None

        def predict(latents: Mapping[Part, Tensor], step: int) -> dict[Part, Tensor]:
            at = dict.fromkeys(want, torch.full((len(told),), step, device=device))
            prompt, counts, known = dict.fromkeys(want, prompts), dict.fromkeys(want, told.float()), told
            if encoders:
                prompt, counts = with_others(prompts, told, encoders.weighted(latents, at))
                known = torch.ones_like(told)
            scale = guidance if step < guided_below else 1.0
            made: dict[Part, Tensor] = own(latents, at, prompt, dict.fromkeys(want, known))
            if (scale == 1.0 and (told.all() or not encoders)) or not known.any():
                return made
            without = own(latents, at, prompt, dict.fromkeys(want, torch.zeros_like(known)))
            return {part: guided(made[part], without[part], scale * counts[part]) for part in latents}

        latents = denoise(predict, noise, sampler=sampler, steps=steps, progress=progress)
        return {part: own.unscaled(part, made) for part, made in latents.items()}

    @torch.no_grad()
    def write(self, latents: Tensor, beams: int = 1) -> list[Report]:
        """The reports of report latents (b, slots, dim)."""
        return [self.tokenizer.decode(row) for row in self.autoencoder.write(latents, beams).tolist()]
