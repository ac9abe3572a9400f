"""Rules of train.offload, which keeps blocks of the denoiser in the machine's memory."""

from pipeline.schemas import AdapterNetworkConfig, CheckpointConfig, Config


def offload_contradictions(config: Config) -> list[str]:
    """Settings that contradict train.offload."""
    return _problems(config) if config.train.offload else []


def _problems(config: Config) -> list[str]:
    train, network = config.train, config.network
    problems = []
    if not train.gradient_checkpointing:
        problems.append(
            "train.offload needs train.gradient_checkpointing true: it runs a block again when its gradients"
            " are due, which is when the block is fetched; set it to true, or train.offload to 0"
        )
    if train.compile:
        problems.append("train.offload does not work with train.compile; set one of them off")
    if train.devices * train.num_nodes > 1 or train.strategy != "auto":
        problems.append(
            "train.offload works on one device, without a strategy; set train.devices and train.num_nodes"
            " to 1 and train.strategy to auto, or train.offload to 0"
        )
    if isinstance(network, CheckpointConfig):
        problems += _of_checkpoint(config)
    if isinstance(network, AdapterNetworkConfig) and network.max_norm is not None:
        problems.append(
            "network.max_norm reads the weights between two steps, when train.offload has blocks in the"
            " machine's memory; set one of them off"
        )
    return problems


def _of_checkpoint(config: Config) -> list[str]:
    problems = []
    if not config.train.fused_backward:
        problems.append(
            "train.offload of a checkpoint updates a block's weights while the block is on the device; set"
            " train.fused_backward to true, or train.offload to 0"
        )
    if config.train.ema_decay is not None:
        problems.append(
            "train.ema_decay keeps a second copy of a checkpoint's weights on the device, which train.offload"
            " takes off it; set train.ema_decay to null, or train.offload to 0"
        )
    return problems
