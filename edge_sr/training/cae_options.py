"""The table `[cae]` of a recipe: size, quantizer and rate of a compressive autoencoder."""

import math
from dataclasses import dataclass

from edge_sr.errors import UserError
from edge_sr.models.cae import CaeConfig

QUANTIZERS = ("none", "noise", "centers")
MAX_QUALITIES, MAX_HIDDEN = 16, 512


@dataclass(frozen=True)
class CaeOptions:
    """Options of a compressive autoencoder; other networks ignore them.

    Attributes:
        channels: of the latents.
        narrow: channels at half the size.
        wide: channels at a quarter of the size.
        units: residual units of the encoder.
        decoder_units: residual units of the decoder.
        quantizer: "noise" (integer symbols, several qualities, a learned context model; see
            `rate_model`), "centers" (trained centers and a target of entropy; see `centers`), or
            "none" in recipes of other networks.
        qualities: number of trained gains ("noise").
        low: weight of the distortion at the lowest quality ("noise").
        high: weight of the distortion at the highest quality ("noise").
        hidden: channels of the context network ("noise").
        before: whether contexts include the channels before a symbol's own ("noise").
        straight: whether the decoder gets rounded symbols, not noisy ones ("noise").
        flat: share of the training patches that are replaced by one colour, so that plain areas
            keep their colour.
        target_bpp: bits per pixel above which the rate costs ("centers").
        rate_weight: weight of a bit per symbol above the target ("centers").
        ramp_steps: steps in which `rate_weight` grows linearly from 0 ("centers"): from the start,
            a low target would silence channels that later train never recovers.
    """

    channels: int = 32
    narrow: int = 16
    wide: int = 32
    units: int = 2
    decoder_units: int = 3
    quantizer: str = "none"
    qualities: int = 1
    low: float = 0.005
    high: float = 0.005
    hidden: int = 96
    before: bool = True
    straight: bool = False
    flat: float = 0.0
    target_bpp: float = 0.5
    rate_weight: float = 150.0
    ramp_steps: int = 1000

    @property
    def config(self) -> CaeConfig:
        """The network.

        Raises:
            UserError: it has no such size.
        """
        return CaeConfig(
            channels=self.channels,
            narrow=self.narrow,
            wide=self.wide,
            units=self.units,
            decoder_units=self.decoder_units,
        )

    def check(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            UserError: a value is out of range or unknown.
        """
        if self.quantizer not in QUANTIZERS:
            allowed = ", ".join(QUANTIZERS)
            raise UserError(f"quantizer must be one of {allowed}, not {self.quantizer!r}")
        _ = self.config
        for name, most in (("qualities", MAX_QUALITIES), ("hidden", MAX_HIDDEN)):
            if not 1 <= getattr(self, name) <= most:
                raise UserError(f"{name} must be 1 to {most}, not {getattr(self, name)}")
        if not 0 <= self.flat <= 1:
            raise UserError(f"flat must be in [0, 1], not {self.flat}")
        for name in ("low", "high", "target_bpp", "rate_weight"):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"{name} must be positive and finite, not {getattr(self, name)}")
        if not 0 <= self.ramp_steps <= 10**9:
            raise UserError(f"ramp_steps must be 0 to 1000000000, not {self.ramp_steps}")
        if self.low > self.high or (self.qualities == 1) != (self.low == self.high):
            raise UserError(
                "low must be less than high, and equal to it with one quality only; "
                f"they are {self.low} and {self.high} for qualities = {self.qualities}"
            )
