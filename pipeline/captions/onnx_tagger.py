"""Taggers in ONNX: WD14 v1.4 and v3, their timm exports, cl_tagger, PixAI, animetimm, Camie, JoyTag,
DeepDanbooru (see layouts.py).

The contract is SmilingWolf's, as in kohya-ss/sd-scripts finetune/tag_images_by_wd14_tagger.py and
deepghs/imgutils tagging/wd14.py; labels go by their category, never by the order of rows.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from threading import Lock

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from pipeline.captions.interrogation import About, stacked
from pipeline.captions.layouts import Layout, network_file, recognise
from pipeline.captions.thresholds import stated_thresholds
from pipeline.errors import UserError
from pipeline.files.damage import reporting_damage

CPU = "CPUExecutionProvider"
PROVIDERS = {
    "CUDAExecutionProvider": {"use_tf32": "0"},
    "MIGraphXExecutionProvider": {},
    "ROCMExecutionProvider": {},
    "DmlExecutionProvider": {},
    CPU: {},
}
"""The first available one that starts is used. TensorFloat-32 would change scores by 1e-3."""


class OnnxTagger:
    """Scores pictures. `folder` holds the network and its label file; `batch`: pictures per call on a GPU;
    `known`: what is already known of the same files.
    """

    stack = staticmethod(stacked)

    def __init__(self, folder: Path, batch: int, known: About | None = None) -> None:
        self.network = network_file(folder)
        self.session = open_session(self.network, "tag.model")
        if not self.session.get_inputs() or not self.session.get_outputs():
            raise UserError(f"tag.model {self.network}: the network has no input or output; fetch it again")
        self.input = self.session.get_inputs()[0]
        on_cpu = self.session.get_providers()[0] == CPU
        self._turn = nullcontext() if on_cpu else Lock()
        self.fixed_batch = self.input.shape[0] if isinstance(self.input.shape[0], int) else None
        self.together = self.fixed_batch or (1 if on_cpu else batch)
        layout, side_px = recognise(self.network, self.input.shape)
        self.recipe, self.label_file = layout.recipe_in(folder), layout.label_path(folder) or folder
        self.output = _scores_output([each.name for each in self.session.get_outputs()], layout)
        with reporting_damage(f"{self.label_file} is not a readable list of labels"):
            labels = tuple(layout.read_labels(self.label_file))
        thresholds = stated_thresholds(folder) or dict(layout.thresholds)
        self.about = known or About(layout.name, self.recipe.id, side_px, labels, thresholds=thresholds)
        if known is None:
            self.about = replace(self.about, gives_logits=self._gives_logits())

    def prepare(self, picture: Image.Image) -> NDArray[np.float32]:
        """The network's input for one RGB picture."""
        return self.recipe(picture, self.about.side_px)

    def answers(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """[n, labels] probabilities of [n, ...] prepared pictures."""
        y = self._outputs(x)
        if self.about.gives_logits:
            y = np.asarray(1 / (1 + np.exp(-y.clip(-80, 80))), np.float32)
        if not (y.min() >= 0 and y.max() <= 1):  # nan is neither
            raise UserError(
                f"tag.model {self.network}: scores from {y.min():g} to {y.max():g} are not"
                " probabilities, so they cannot be trusted; fetch it again"
            )
        return y

    def _outputs(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """[n, labels], the network's raw output; a fixed batch is filled up."""
        number = len(x)
        if missing := self.fixed_batch and -number % self.fixed_batch:
            x = np.concatenate([x, np.repeat(x[-1:], missing, axis=0)])
        if self.input.type == "tensor(float16)":
            x = x.astype(np.float16)
        with self._turn, reporting_damage(f"tag.model {self.network} cannot be run", "fetch it again"):
            [scores] = self.session.run([self.output], {self.input.name: x})
            y: NDArray[np.float32] = scores.astype(np.float32)
        if y.ndim != 2 or y.shape[1] != len(self.about.labels):
            raise UserError(
                f"tag.model {self.network} gives {y.shape[-1]} scores, but {self.label_file.name} has"
                f" {len(self.about.labels)} rows; use the label file of this network"
            )
        return y[:number]

    def _gives_logits(self) -> bool:
        """Some exports leave the sigmoid to the caller, and the file does not say so. A white picture shows
        it: probabilities are in 0..1, while most of thousands of logits are below 0.
        """
        white = self.prepare(Image.new("RGB", (8, 8), "white"))
        y = self._outputs(white[None])
        return bool((y < 0).any() or (y > 1).any())


def _scores_output(names: Sequence[str], layout: Layout) -> str:
    """The output with a score for each label; networks may give features and first guesses, too."""
    known = [name for name in layout.outputs if name in names]
    return known[0] if known else names[min(layout.last_resort, len(names) - 1)]


def open_session(network: Path, key: str) -> onnxruntime.InferenceSession:
    """`key`: the setting that names the network, for errors. One thread per call, so that the order of sums
    does not depend on the number of cores; pictures are scored in parallel instead.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    present = onnxruntime.get_available_providers()
    providers = [(name, settings) for name, settings in PROVIDERS.items() if name in present]
    with reporting_damage(f"{key} {network}: not a readable ONNX file", "fetch it again"):
        return onnxruntime.InferenceSession(network, options, providers=providers)
