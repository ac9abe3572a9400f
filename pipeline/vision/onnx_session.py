"""ONNX networks other than taggers: one input of pictures, one output."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipeline.captions.onnx_tagger import CPU, open_session
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage

HALF = "tensor(float16)"
NUMBER_TYPES = ("tensor(float)", HALF)


class OnnxNetwork:
    """`key`: the setting that names it, for errors; `outputs`: names to take, the first that is there, else
    the first output.
    """

    def __init__(self, path: Path, key: str, batch: int = 1, outputs: tuple[str, ...] = ()) -> None:
        self.path, self.key = path, key
        self.session: onnxruntime.InferenceSession = open_session(path, key)
        if not self.session.get_inputs() or not self.session.get_outputs():
            raise UserError(f"{key} {path}: the network has no input or output; fetch it again")
        self.input = self.session.get_inputs()[0]
        self._insist_on_one_of_numbers()
        names = [each.name for each in self.session.get_outputs()]
        self.output = next((name for name in outputs if name in names), names[0])
        on_cpu = self.session.get_providers()[0] == CPU
        fixed = self.input.shape[0] if self.input.shape and isinstance(self.input.shape[0], int) else None
        self.together = 1 if on_cpu or fixed == 1 else batch

    @property
    def side_px(self) -> int | None:
        """Of its square input [n, 3, side, side]; None if any will do."""
        side = self.input.shape[-1]
        return side if isinstance(side, int) else None

    def _insist_on_one_of_numbers(self) -> None:
        several = self.session.get_inputs()
        if len(several) > 1 or self.input.type not in NUMBER_TYPES:
            reads = ", ".join(f"{each.name} {each.shape} {each.type}" for each in several)
            raise UserError(f"{self.key} {self.path} reads {reads}; name a network that reads pictures alone")

    def _insist_on_shape(self, shape: tuple[int, ...]) -> None:
        own = self.input.shape
        differ = [one for one, two in zip(own, shape, strict=False) if isinstance(one, int) and one != two]
        if len(own) != len(shape) or differ:
            raise UserError(
                f"{self.key} {self.path} reads {own}, but is given {list(shape)}; correct {self.key}, or the"
                " size in preprocessor_config.json next to it"
            )

    def run(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """The output for all rows of x, `together` rows a call."""
        self._insist_on_shape(x[: self.together].shape)
        if self.input.type == HALF:
            x = x.astype(np.float16)
        with reporting_damage(f"{self.key} {self.path} cannot be run", "fetch it again"):
            parts = [
                np.atleast_1d(
                    self.session.run([self.output], {self.input.name: x[start : start + self.together]})[0]
                )
                for start in range(0, len(x), self.together)
            ]
        y = np.concatenate(parts).astype(np.float32)
        if not np.isfinite(y).all():
            raise UserError(f"{self.key} {self.path} gives numbers that are not finite; fetch it again")
        return y
