"""The header of a network file: sd-scripts' ss_* keys, Stability's modelspec, and Athanor's own recipe.

Keys and meanings are those that kohya-ss/sd-scripts writes (train_network.py, library/sai_model_spec.py) and
AUTOMATIC1111 reads (extensions-builtin/Lora). No times: the same run gives the same header.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from pipeline.bases.facts import FamilyFacts
from pipeline.bases.prediction import ZERO_SNR_KEY
from pipeline.captions.text import same
from pipeline.files.hashing import legacy_hash, sha256_of_file
from pipeline.files.safetensors_file import chunks, header
from pipeline.schemas import Config, NoiseConfig, OptimizerConfig
from pipeline.texts.lines import alternatives
from pipeline.texts.separators import Separators, separators_of
from pipeline.training.data import Picture
from pipeline.training.optimizers import PATHS, arguments_of
from pipeline.training.schedules import warmup_steps

TRAINING_KEY = "athanor.recipe"
LEGACY_HASH_END = 0x110000
"""The legacy hash covers the 64 KiB before this offset in the file."""


@dataclass(frozen=True)
class Progress:
    """How far a file is trained."""

    epoch: int
    step: int
    total_steps: int
    steps_per_epoch: int


def network_metadata(
    config: Config,
    network: Mapping[str, str],
    pictures: Sequence[Picture],
    progress: Progress,
    prediction: str | None,
    family: FamilyFacts,
    stamp: tuple[str, str] | None = None,
) -> dict[str, str]:
    """Everything but the hashes of the weights and the recipe, as text. `network`: the network's own
    metadata, which override the rest. stamp: modelspec.architecture and version of the family's member.
    """
    architecture, version = stamp or family.stamp(prediction)
    facts = {
        **_run(config, progress),
        **_base(config, version, family.is_v2),
        **_data(config, pictures),
        **({"ss_v_parameterization": True} if prediction == "v" else {}),
    }
    return {key: value if isinstance(value, str) else str(value) for key, value in facts.items()} | {
        **_modelspec(config, pictures, prediction, architecture, family.implementation),
        **network,
    }


def _run(config: Config, progress: Progress) -> dict[str, Any]:
    train, optimizer, noise = config.train, config.optimizer, config.noise
    return {
        "ss_output_name": train.name,
        "ss_seed": config.seed,
        "ss_steps": progress.step,
        "ss_epoch": progress.epoch,
        "ss_num_epochs": train.epochs,
        "ss_max_train_steps": progress.total_steps,
        "ss_num_batches_per_epoch": progress.steps_per_epoch,
        "ss_learning_rate": optimizer.lr,
        "ss_unet_lr": optimizer.lr,
        "ss_text_encoder_lr": optimizer.text_encoder_lr,
        "ss_optimizer": _optimizer(optimizer),
        "ss_lr_scheduler": config.schedule.name,
        "ss_lr_warmup_steps": warmup_steps(config.schedule, progress.total_steps),
        "ss_max_grad_norm": train.clip_norm,
        "ss_gradient_accumulation_steps": train.gradient_accumulation,
        "ss_gradient_checkpointing": train.gradient_checkpointing,
        "ss_mixed_precision": {"fp32": "no"}.get(train.precision, train.precision.removesuffix("_full")),
        "ss_full_fp16": train.precision == "fp16_full",
        **_noise(noise),
        "ss_prior_loss_weight": train.prior_loss_weight,
        "ss_clip_skip": config.base.clip_skip if config.base.clip_skip > 1 else None,
    }


def _optimizer(config: OptimizerConfig) -> str:
    """`module.Class(argument=value,...)`."""
    chosen = ",".join(f"{key}={_number(value)}" for key, value in arguments_of(config).items())
    return f"{PATHS.get(config.name, config.name)}({chosen})"


def _number(value: object) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(_number, value))})"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _noise(config: NoiseConfig) -> dict[str, Any]:
    """Named as in sd-scripts; None if off."""
    is_huber = config.loss in ("huber", "smooth_l1")
    return {
        "ss_noise_offset": config.offset or None,
        "ss_noise_offset_random_strength": config.offset_random_strength,
        "ss_adaptive_noise_scale": config.offset_adaptive or None,
        "ss_multires_noise_iterations": config.pyramid_iterations or None,
        "ss_multires_noise_discount": config.pyramid_discount,
        "ss_ip_noise_gamma": config.perturbation or None,
        "ss_ip_noise_gamma_random_strength": config.perturbation_random_strength,
        ZERO_SNR_KEY: config.zero_terminal_snr,
        "ss_min_snr_gamma": config.min_snr_gamma,
        "ss_debiased_estimation": bool(config.debiased),
        "ss_loss_type": config.loss,
        "ss_huber_schedule": config.huber_schedule if is_huber else None,
        "ss_huber_c": config.huber_c if is_huber else None,
        "ss_huber_scale": config.huber_scale if is_huber else None,
    }


def _base(config: Config, version: str, is_v2: bool) -> dict[str, Any]:
    path = Path(config.base.path)
    hashes = (
        {
            "ss_sd_model_hash": legacy_hash(path),
            "ss_new_sd_model_hash": config.base.sha256 or sha256_of_file(path),
        }
        if path.is_file()
        else {}
    )
    return {"ss_v2": is_v2, "ss_base_model_version": version, "ss_sd_model_name": path.name, **hashes}


def _data(config: Config, pictures: Sequence[Picture]) -> dict[str, Any]:
    folders: dict[str, list[Picture]] = {}
    for picture in pictures:
        folders.setdefault(f"{picture.shown.repeats}_{picture.concept}", []).append(picture)
    training = {name: group for name, group in folders.items() if not group[0].shown.is_class}
    tags = {name: _tag_counts(group, separators_of(config.train)) for name, group in folders.items()}
    resolution = next(picture.shown.bucket for group in training.values() for picture in group)
    buckets = sorted(Counter(picture.shown.bucket for picture in pictures).items())
    return {
        "ss_num_train_images": sum(picture.shown.repeats for group in training.values() for picture in group),
        "ss_num_reg_images": sum(picture.shown.is_class for picture in pictures),
        "ss_dataset_dirs": _json(
            {
                name: {"n_repeats": group[0].shown.repeats, "img_count": len(group)}
                for name, group in training.items()
            }
        ),
        "ss_tag_frequency": _json(tags),
        "ss_batch_size_per_device": config.train.batch,
        "ss_total_batch_size": config.train.batch,
        "ss_resolution": resolution,
        "ss_enable_bucket": len(buckets) > 1,
        "ss_bucket_info": _json(
            {
                "buckets": {
                    str(number): {"resolution": list(bucket), "count": count}
                    for number, (bucket, count) in enumerate(buckets)
                }
            }
        ),
        "ss_shuffle_caption": config.train.shuffle_tags,
        "ss_keep_tokens": config.train.keep_tokens,
        "ss_caption_dropout_rate": config.train.caption_dropout,
        "ss_caption_dropout_every_n_epochs": config.train.caption_dropout_every_epochs,
        "ss_caption_tag_dropout_rate": config.train.tag_dropout,
        "ss_max_token_length": config.train.max_tokens if config.train.max_tokens > 75 else None,
        "ss_flip_aug": False,
        "ss_color_aug": False,
        "ss_random_crop": False,
        "ss_cache_latents": True,
    }


def _tag_counts(pictures: Sequence[Picture], separators: Separators) -> dict[str, int]:
    """Tag, lower-cased -> number of pictures that have it, without repeats; every alternative counts."""
    return dict(
        Counter(
            same(tag)
            for picture in pictures
            for line in alternatives(picture.caption)
            for tag in separators.names(line)
        )
    )


def _modelspec(
    config: Config,
    pictures: Sequence[Picture],
    prediction: str | None,
    architecture: str,
    implementation: str,
) -> dict[str, str]:
    first = next(picture for picture in pictures if not picture.shown.is_class)
    facts = {
        "sai_model_spec": "1.0.1",
        "architecture": f"{architecture}/lora",
        "implementation": implementation,
        "title": config.train.name,
        "resolution": "{}x{}".format(*first.shown.bucket),
    }
    if prediction:
        facts["prediction_type"] = prediction
    if first.trigger:
        facts["trigger_phrase"] = first.trigger
    return {f"modelspec.{key}": value for key, value in facts.items()}


def with_hashes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> dict[str, str]:
    """Adds sshs_model_hash and sshs_legacy_hash, as sd-scripts computes them on save
    (library/model_util.py).
    """
    head = header(tensors, {key: value for key, value in metadata.items() if key.startswith("ss_")})
    whole = hashlib.sha256()
    file = bytearray(head)
    for chunk in chunks(tensors):
        whole.update(chunk)
        file += chunk[: max(0, LEGACY_HASH_END - len(file))]
    legacy = hashlib.sha256(bytes(file[0x100000:LEGACY_HASH_END])).hexdigest()[:8]
    return {**metadata, "sshs_model_hash": whole.hexdigest(), "sshs_legacy_hash": legacy}


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
