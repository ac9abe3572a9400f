"""What a run could change to need less memory, the least harmful first. Pure."""

from pipeline.config.rules.offload import could_offload
from pipeline.config.rules.train import made_of_exact_weights
from pipeline.config.rules.weight_by_weight import updates_singly
from pipeline.schemas import CheckpointConfig, Config


def levers(config: Config) -> list[str]:
    """Settings that are not used yet, each with what it costs."""
    train, network = config.train, config.network
    found = []
    if train.precision == "fp32":
        found.append("train.precision: bf16 (fp16 on cards before RTX 30), half of the base's memory")
    if not train.gradient_checkpointing:
        found.append("train.gradient_checkpointing: true, the same result a quarter slower")
    if not train.fused_backward and isinstance(network, CheckpointConfig) and updates_singly(config):
        found.append("train.fused_backward: true with train.clip_norm: 0, no room for gradients")
    if train.batch > 1:
        updates = train.batch * train.gradient_accumulation
        found.append(f"train.batch: 1 with train.gradient_accumulation: {updates}, the same updates, slower")
    if config.optimizer.name == "adamw":
        found.append("use.optimizer: adamw8bit, a quarter of the optimiser's memory")
    if getattr(network, "text_encoder", False) and getattr(network, "unet", False):
        found.append("network.text_encoder: false, which trains the U-Net alone")
    if train.base_precision == "same" and made_of_exact_weights(config) is None:
        found.append("train.base_precision: int8, a base that is off by half a percent")
    if not train.offload and could_offload(config):
        also = "" if train.gradient_checkpointing else ", with train.gradient_checkpointing: true"
        found.append(f"train.offload: 0.5 (up to 1){also}, the same result slower")
    return [*found, "a smaller crop.resolution"]


def out_of_memory(config: Config) -> str:
    """A sentence for a device that is too small."""
    cures = "; then ".join(levers(config))
    return (
        f"the device's memory is full; close other programs that use it, or set in params.yaml {cures}."
        " The last checkpoint is kept: with unchanged settings `dvc repro` carries on from it"
    )
