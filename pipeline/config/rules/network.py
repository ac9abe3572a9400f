"""Rules of the group network."""

from pipeline.config.rules.hypernetworks import misread_by_comfyui
from pipeline.schemas import (
    AdapterNetworkConfig,
    AestheticConfig,
    CheckpointConfig,
    EmbeddingConfig,
    HypernetworkConfig,
    NetworkConfig,
    OptimizerConfig,
    TrainConfig,
)

KEYS_FOR = {
    "tucker": ("locon", "loha", "lokr"),
    "factor": ("lokr",),
    "decompose_both": ("lokr",),
    "full_matrix": ("lokr",),
    "unit": ("dylora",),
    "dropout": ("lora", "locon", "dylora"),
    "rank_dropout": ("lora", "locon", "loha", "lokr", "dylora"),
    "module_dropout": ("lora", "locon", "loha", "lokr", "dylora"),
    "rslora": ("lora", "locon", "loha", "lokr", "dylora"),
    "lora_plus_ratio": ("lora", "locon", "loha", "lokr", "dylora"),
    "conv_dim": ("lora", "locon", "loha", "lokr", "dylora"),
    "conv_alpha": ("lora", "locon", "loha", "lokr", "dylora"),
    "block_dims": ("lora", "locon", "loha", "lokr"),
    "block_alphas": ("lora", "locon", "loha", "lokr", "dylora"),
}
"""By key: the algorithms that use it, if not all do."""

ALGORITHMS_WITH_RULES = ("lora", "locon", "loha", "lokr", "ia3", "dylora")
"""Algorithms whose keys are known here; there are no warnings for others."""

FULL_LR = 2e-5
"""Above it a whole checkpoint rarely survives; sd-scripts has 2e-6, diffusers' DreamBooth 5e-6."""

EMBEDDING_LR = 5e-3
"""AUTOMATIC1111's rate for embeddings."""

NEUTRAL_NETWORK = {"factor": -1, "lora_plus_ratio": 1.0}
"""By key: the value without effect, if it is not false, null or 0."""


def network_contradictions(network: NetworkConfig, train: TrainConfig) -> list[str]:
    """Settings that contradict each other."""
    if isinstance(network, AestheticConfig | EmbeddingConfig | HypernetworkConfig):
        return []
    problems = []
    if not (network.unet or network.text_encoder):
        problems.append(
            "network.unet and network.text_encoder are both false:"
            " nothing would be trained; set one of them true"
        )
    if isinstance(network, AdapterNetworkConfig):
        problems += _adapter_contradictions(network)
    elif network.weight_precision == "bf16" != train.precision:
        problems.append(
            f"network.weight_precision bf16 needs train.precision bf16, not {train.precision}:"
            " layers of two precisions do not work together"
        )
    return problems


def _adapter_contradictions(network: AdapterNetworkConfig) -> list[str]:
    problems = []
    if network.dora and network.name in ("ia3", "dylora"):
        problems.append(f"network.dora does not work with {network.name}; use lora, locon, loha or lokr")
    if network.name == "dylora":
        problems += _dylora_contradictions(network)
    if network.module_dropout == 1 or network.rank_dropout == 1 or network.dropout == 1:
        problems.append("a network.dropout, rank_dropout or module_dropout of 1 leaves nothing to train")
    return problems


def _dylora_contradictions(network: AdapterNetworkConfig) -> list[str]:
    problems = [
        f"network.{key} {dim} is not a multiple of network.unit {network.unit}; change one of them"
        for key, dim in (("dim", network.dim), ("conv_dim", network.conv_dim))
        if dim and dim % network.unit
    ]
    if network.block_dims is not None:
        problems.append(
            "network.block_dims does not work with dylora, whose ranks are for the whole network; set it to"
            " null"
        )
    return problems


def network_doubts(network: NetworkConfig, optimizer: OptimizerConfig) -> list[str]:
    """Settings that have no effect, or are rarely meant."""
    if isinstance(network, AestheticConfig):
        return []
    if isinstance(network, HypernetworkConfig):
        misread = misread_by_comfyui(network.activation, network.activate_output, network.use_layer_norm)
        return [f"network: {misread}"] if misread else []
    if isinstance(network, EmbeddingConfig):
        return _embedding_doubts(optimizer)
    doubts = []
    if not network.text_encoder and optimizer.text_encoder_lr:
        doubts.append("optimizer.text_encoder_lr has no effect: network.text_encoder is false")
    if not network.unet and optimizer.lr:
        doubts.append("optimizer.lr has no effect: network.unet is false")
    if isinstance(network, AdapterNetworkConfig):
        return doubts + _adapter_doubts(network)
    return doubts + _checkpoint_doubts(network, optimizer)


def _embedding_doubts(optimizer: OptimizerConfig) -> list[str]:
    if optimizer.lr < EMBEDDING_LR / 10:
        return [f"optimizer.lr {optimizer.lr:g} trains an embedding slowly; {EMBEDDING_LR:g} is usual"]
    return []


def _checkpoint_doubts(network: CheckpointConfig, optimizer: OptimizerConfig) -> list[str]:
    rates = {"lr": network.unet, "text_encoder_lr": network.text_encoder}
    doubts = [
        f"optimizer.{key} {getattr(optimizer, key):g} is a rate for networks; a whole checkpoint needs"
        f" 1e-6 to 1e-5, and breaks above {FULL_LR:g}"
        for key, trained in rates.items()
        if trained and getattr(optimizer, key) > FULL_LR
    ]
    if not network.unet:
        doubts += [
            f"network.{key} has no effect: network.unet is false"
            for key in ("blocks", "block_rates")
            if getattr(network, key) is not None
        ]
    return doubts


def _adapter_doubts(network: AdapterNetworkConfig) -> list[str]:
    doubts = [
        f"network.{key} has no effect on {network.name}; only on {', '.join(names)}"
        for key, names in KEYS_FOR.items()
        if network.name in ALGORITHMS_WITH_RULES and network.name not in names and _set(network, key)
    ]
    if network.name != "ia3" and network.alpha > network.dim and not network.rslora:
        doubts.append(
            f"network.alpha {network.alpha:g} is above network.dim"
            f" {network.dim}: half or a quarter of it is usual"
        )
    if network.conv_alpha is not None and network.conv_dim is None:
        doubts.append("network.conv_alpha has no effect: network.conv_dim is null")
    if network.tucker and network.conv_dim is None:
        doubts.append("network.tucker has no effect: network.conv_dim is null, so no 3x3 layer is trained")
    return doubts


def _set(network: AdapterNetworkConfig, key: str) -> bool:
    """Whether a key has a value with an effect; `unit` always has one, so it does not count."""
    value = getattr(network, key)
    return key != "unit" and value not in (False, None, 0, NEUTRAL_NETWORK.get(key))
