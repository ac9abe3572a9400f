"""Rules of the group train, and between it and what is trained."""

from pipeline.config.rules.cuda_graph import graph_contradictions
from pipeline.config.rules.offload import offload_contradictions
from pipeline.config.rules.preservation import preservation_contradictions, preservation_doubts
from pipeline.config.rules.weight_by_weight import weight_by_weight_contradictions
from pipeline.schemas import (
    AestheticConfig,
    CheckpointConfig,
    Config,
    EmbeddingConfig,
    HypernetworkConfig,
    TrainConfig,
)


def made_of_exact_weights(config: Config) -> str | None:
    """The kind of the network if it is made from the base's own weights, which must not be rounded then."""
    name = "dora" if getattr(config.network, "dora", False) else config.network.name
    return name if name in ("checkpoint", "ia3", "dora") else None


def train_contradictions(config: Config) -> list[str]:
    """Settings that contradict each other."""
    train, network, problems = config.train, config.network, []
    rests = train.text_encoder_epochs is not None and train.text_encoder_epochs < train.epochs
    if (
        rests
        and not isinstance(network, AestheticConfig | EmbeddingConfig | HypernetworkConfig)
        and not network.unet
    ):
        problems.append(
            f"train.text_encoder_epochs {train.text_encoder_epochs} is below train.epochs {train.epochs}, but"
            " network.unet is false, so later epochs have nothing to train; set train.text_encoder_epochs to"
            " null"
        )
    if train.secondary_separator == train.caption_separator:
        problems.append(
            f"train.secondary_separator and train.caption_separator are both {train.caption_separator!r};"
            " change the first, for example to `;;;`"
        )
    together = train.batch * train.devices * train.num_nodes
    if _has_class_pictures(config) and train.prior_form == "two_means" and together % 2:
        problems.append(
            f"train.prior_form two_means splits each batch into subject and class, but train.batch"
            f" {train.batch} is odd; set it to {train.batch + 1}"
        )
    return [
        *problems,
        *_eight_bit_contradictions(config),
        *_split_contradictions(config),
        *weight_by_weight_contradictions(config),
        *offload_contradictions(config),
        *graph_contradictions(config),
        *preservation_contradictions(config, _has_class_pictures(config)),
    ]


def _eight_bit_contradictions(config: Config) -> list[str]:
    """Networks that are made from the base's exact weights."""
    name = made_of_exact_weights(config)
    if config.train.base_precision != "int8" or name is None:
        return []
    return [
        f"train.base_precision int8 rounds the base's weights, but network {name} is made from them; set"
        " train.base_precision to same"
    ]


def _split_contradictions(config: Config) -> list[str]:
    """Settings that contradict train.strategy fsdp."""
    train, optimizer, problems = config.train, config.optimizer.name, []
    if train.strategy != "fsdp":
        return []
    if not isinstance(config.network, CheckpointConfig):
        problems.append(
            f"train.strategy fsdp splits the weights of a whole checkpoint, but network.name is"
            f" {config.network.name}, which fits on any card; set train.strategy to ddp"
        )
    if optimizer not in ("adamw", "sgd") and not optimizer.startswith("torch.optim."):
        problems.append(
            f"optimizer.name {optimizer} does not work on weights that train.strategy fsdp splits; use"
            " adamw, sgd, or a class of torch.optim"
        )
    problems += [
        f"train.{key} does not work with train.strategy fsdp; set it to false"
        for key in ("channels_last", "compile")
        if getattr(train, key)
    ]
    return problems


def _has_class_pictures(config: Config) -> bool:
    return config.class_images.count > 0 or config.collect.class_source is not None


def train_doubts(config: Config) -> list[str]:
    """Settings that have no effect, or are rarely meant."""
    train, network, doubts = config.train, config.network, []
    if train.keep_tokens and not (train.shuffle_tags or train.tag_dropout):
        doubts.append(
            "train.keep_tokens has no effect: train.shuffle_tags is false and train.tag_dropout is 0"
        )
    if train.save_every_epochs > train.epochs:
        doubts.append(
            f"train.save_every_epochs {train.save_every_epochs} is above"
            f" train.epochs {train.epochs}: only the last epoch is saved"
        )
    if train.text_encoder_epochs is not None:
        if (
            isinstance(network, AestheticConfig | EmbeddingConfig | HypernetworkConfig)
            or not network.text_encoder
        ):
            doubts.append("train.text_encoder_epochs has no effect: no text encoder layers are trained")
        elif train.text_encoder_epochs >= train.epochs:
            doubts.append(
                f"train.text_encoder_epochs {train.text_encoder_epochs} has no effect: train.epochs is"
                f" {train.epochs}"
            )
    if train.strategy != "auto" and train.devices * train.num_nodes == 1:
        doubts.append(f"train.strategy {train.strategy} has no effect: train.devices x num_nodes is 1")
    if train.caption_dropout_every_epochs == 1:
        doubts.append("train.caption_dropout_every_epochs 1 never shows a caption; 0 is off")
    if train.prior_form != "sd_scripts" and not _has_class_pictures(config):
        doubts.append(
            f"train.prior_form {train.prior_form} has no effect: class_images.count is 0 and"
            " collect.class_source is null, so there are no class pictures"
        )
    if config.crop.mask == "off":
        neutral = {"unmasked_weight": 0, "normalize_masked_area": False}
        doubts += [
            f"train.{key} has no effect: crop.mask is off"
            for key, value in neutral.items()
            if getattr(train, key) != value
        ]
    elif train.unmasked_weight == 1:
        doubts.append(f"train.unmasked_weight 1 disables masks, but crop.mask is {config.crop.mask}")
    doubts += preservation_doubts(config)
    return doubts + _length_doubts(train, config.filter_tags.max_tokens)


def _length_doubts(train: TrainConfig, filtered: int | None) -> list[str]:
    if filtered is not None and filtered > train.max_tokens:
        return [
            f"filter_tags.max_tokens {filtered} is above train.max_tokens {train.max_tokens}: training cuts"
            " off the ends of captions; make them equal"
        ]
    return []
