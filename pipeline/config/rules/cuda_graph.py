"""Rules of train.cuda_graph: a recorded step does the same in every replay, on one device."""

from pipeline.schemas import AdapterNetworkConfig, Config, HypernetworkConfig


def graph_contradictions(config: Config) -> list[str]:
    """Settings that a recorded step cannot follow."""
    train, network = config.train, config.network
    if not train.cuda_graph:
        return []
    reasons = {
        "train.compile": (train.compile, "records kernels in its own way"),
        "train.offload": (train.offload > 0, "moves weights, which a recording expects in one place"),
        "train.fused_backward": (train.fused_backward, "frees gradients, which a recording fills again"),
        "train.precision fp16": (
            train.precision.startswith("fp16"),
            "changes the loss's scale, as bf16 does not",
        ),
        "network dylora": (network.name == "dylora", "trains another rank in each step"),
    }
    if isinstance(network, AdapterNetworkConfig):
        dropouts = {key: getattr(network, key) for key in ("dropout", "rank_dropout", "module_dropout")}
        reasons |= {
            f"network.{key}": (share > 0, "drops others in each step") for key, share in dropouts.items()
        }
    if isinstance(network, HypernetworkConfig):
        drops = any(network.dropout_structure or ())
        reasons["network.dropout_structure"] = (drops, "drops others in each step")
    problems = [
        f"train.cuda_graph replays one recorded step, but {key} {why}; set one of them off"
        for key, (is_on, why) in reasons.items()
        if is_on
    ]
    if train.devices * train.num_nodes > 1 or train.strategy != "auto":
        problems.append(
            "train.cuda_graph works on one device, without a strategy; set train.devices and train.num_nodes"
            " to 1 and train.strategy to auto, or train.cuda_graph to false"
        )
    return problems
