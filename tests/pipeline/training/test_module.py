import copy
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader

from pipeline.bases.base import Base
from pipeline.bases.parts import UNET, Part
from pipeline.bases.registry import family
from pipeline.bases.tokens import token_ids
from pipeline.config.check import check
from pipeline.config.compose import Params, compose
from pipeline.device import best_device
from pipeline.errors import UserError
from pipeline.networks.network import AdapterNetwork
from pipeline.objectives.diffusion import Diffusion
from pipeline.schemas import AdapterNetworkConfig, Config
from pipeline.training.callbacks.metrics import MetricsCallback
from pipeline.training.data import Batch
from pipeline.training.history import History
from pipeline.training.module import Denoising, quiet_lightning, trainer_options
from tests.pipeline.bases.random_sd1 import random_base


def frozen_base() -> Base:
    base = random_base(unet="shallow")
    for part in (base.denoiser, base.text_encoders[0]):
        part.requires_grad_(False)
    return base


@pytest.fixture
def base() -> Base:
    return frozen_base()


def settings(**values: Any) -> Config:
    plain = {"network.dim": 2, "network.alpha": 2.0}
    return check(compose(Params({}, {**plain, **{key.replace("__", "."): v for key, v in values.items()}})))


def module_of(base: Base, config: Config) -> Denoising:
    assert isinstance(config.network, AdapterNetworkConfig)
    network = AdapterNetwork.create(config.network, base, seed=0)
    return Denoising(base, network, config, total_steps=10)


def diffusion_of(module: Denoising) -> Diffusion:
    assert isinstance(module.objective, Diffusion)
    return module.objective


def batch_of(base: Base, step: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(9)
    mean = torch.randn((2, 4, 8, 8), generator=generator)
    return Batch(mean, torch.zeros_like(mean), token_ids(base.tokenizer, ["a cat", ""]), torch.ones(2), step)


@pytest.mark.usefixtures("root")
def test_the_loss_is_the_plain_squared_error_of_the_noise(base: Base) -> None:
    config = settings(seed=3)
    module, batch = module_of(base, config), batch_of(base, step=4)
    generator = torch.Generator().manual_seed(3 * 1_000_003 + 4)
    torch.randn(batch.mean.shape, generator=generator)
    noise = torch.randn(batch.mean.shape, generator=generator)
    timesteps = torch.randint(0, 1000, (2,), generator=generator)
    alpha = diffusion_of(module).alphas[timesteps].view(-1, 1, 1, 1)
    noisy = alpha.sqrt() * batch.mean + (1 - alpha).sqrt() * noise
    answer = base.denoiser(noisy, timesteps, base.family.encode(base, batch.ids, 1).tokens).sample
    wanted = [F.mse_loss(answer[n], noise[n]).item() for n in range(2)]
    assert module.picture_losses(batch).tolist() == pytest.approx(wanted, rel=1e-6)


@pytest.mark.usefixtures("root")
def test_outside_the_mask_nothing_is_learned(base: Base) -> None:
    module, batch = module_of(base, settings()), batch_of(base)
    plain = module.picture_losses(batch)
    left = torch.zeros(2, 1, 8, 8)
    left[..., :4] = 1
    batch.mask = left
    one = module.picture_losses(batch)
    batch.mask = 1 - left
    other = module.picture_losses(batch)
    assert (one + other).tolist() == pytest.approx(plain.tolist(), rel=1e-5)
    batch.mask = torch.zeros(2, 1, 8, 8)
    with module.network.attached(base):
        nothing = module.picture_losses(batch).sum()
        nothing.backward()
    assert nothing == 0
    assert all(p.grad is None or not p.grad.any() for p in module.network.parameters())


@pytest.mark.usefixtures("root")
def test_a_devices_rows_bring_their_masks_and_contexts(base: Base) -> None:
    module, batch = module_of(base, settings()), batch_of(base)
    plain = module.picture_losses(batch)
    batch.conditioning = base.family.encode(base, batch.ids, 1)
    assert module.picture_losses(batch).tolist() == plain.tolist()
    batch.mask = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    whole = module.picture_losses(batch)
    assert module.picture_losses(batch, slice(1, 2)).tolist() == pytest.approx([whole[1].item()], rel=1e-5)


@pytest.mark.usefixtures("root")
def test_a_steps_noise_follows_from_seed_and_step_alone(base: Base) -> None:
    module = module_of(base, settings())
    first = module.picture_losses(batch_of(base, 1))
    torch.manual_seed(77)
    assert torch.equal(module.picture_losses(batch_of(base, 1)), first)
    assert not torch.equal(module.picture_losses(batch_of(base, 2)), first)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("clip_skip", [1, 2])
def test_clip_skip_takes_the_layer_and_norms_it(base: Base, clip_skip: int) -> None:
    ids = token_ids(base.tokenizer, ["a cat"])
    states = base.text_encoders[0](ids, output_hidden_states=True).hidden_states
    inner = getattr(base.text_encoders[0], "text_model", base.text_encoders[0])
    wanted = inner.final_layer_norm(states[-clip_skip])
    assert torch.allclose(base.family.encode(base, ids, clip_skip).tokens, wanted, atol=1e-6)


@pytest.mark.usefixtures("root")
def test_each_part_has_its_own_rate_and_only_the_network_learns(base: Base) -> None:
    module = module_of(base, settings(optimizer__lr=1e-3, optimizer__text_encoder_lr=1e-5))
    options = module.configure_optimizers()
    assert isinstance(options, dict)
    groups = options["optimizer"].param_groups
    assert {group["name"]: group["initial_lr"] for group in groups} == {"unet": 1e-3, "text_encoder": 1e-5}
    learning = sum(p.numel() for group in groups for p in group["params"])
    assert learning == sum(p.numel() for p in module.parameters())


def fit(
    module: Denoising,
    batches: list[Batch],
    epochs: int = 1,
    checkpoint: Path | None = None,
    history: History | None = None,
    **options: Any,
) -> lightning.Trainer:
    """Trains on the batches, in each epoch the same; what happens goes into `history`."""
    quiet_lightning()
    own = {"max_epochs": epochs, "logger": False, "accelerator": "cpu", "enable_progress_bar": False}
    callbacks = (
        [MetricsCallback(history, 1), *options.pop("callbacks", [])]
        if history is not None
        else options.pop("callbacks", [])
    )
    trainer = lightning.Trainer(**{**trainer_options(module.settings), **own, **options}, callbacks=callbacks)
    loader: DataLoader[Any] = DataLoader(batches, batch_size=None)  # type: ignore[arg-type]
    with module.network.attached(module.base):
        trainer.fit(module, loader, ckpt_path=checkpoint, weights_only=False)
    if history is not None:
        history.settle(lambda losses: losses)
    return trainer


def weights(module: Denoising) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.network.parameters()]


def part(module: Denoising, of: Part) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in module.network.part_parameters(of)]


def same(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


PLAIN_SGD = {
    "optimizer.name": "torch.optim.SGD",
    "optimizer.betas": None,
    "optimizer.eps": None,
    "optimizer.weight_decay": 0.0,
    "optimizer.text_encoder_lr": 0.1,
    "optimizer.lr": 0.1,
    "schedule.name": "constant",
    "schedule.warmup_percent": 0.0,
    "train.clip_norm": 0.0,
}


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(("accumulation", "number"), [(2, 4), (2, 3), (4, 1), (3, 5)])
def test_each_update_is_the_mean_of_the_batches_that_it_holds(
    base: Base, accumulation: int, number: int
) -> None:
    """An epoch's last update holds what is left; an epoch may be shorter than one."""
    module = module_of(base, settings(**PLAIN_SGD, train__gradient_accumulation=accumulation))
    batches = [batch_of(base, step) for step in range(number)]
    by_hand = copy.deepcopy(module)
    groups = [batches[start : start + accumulation] for start in range(0, number, accumulation)]
    losses = []
    with by_hand.network.attached(by_hand.base):
        for group in groups:
            losses += [by_hand.picture_losses(batch).mean().item() for batch in group]
            loss = sum((by_hand.picture_losses(batch).mean() for batch in group), torch.zeros(()))
            parameters = list(by_hand.network.parameters())
            for parameter, gradient in zip(
                parameters, torch.autograd.grad(loss / len(group), parameters), strict=True
            ):
                parameter.data -= 0.1 * gradient
    history = History()
    trainer = fit(module, batches, history=history)
    assert trainer.global_step == len(groups)
    assert [row.loss for row in history.rows] == pytest.approx(losses, rel=1e-5)
    for ours, wanted in zip(weights(module), weights(by_hand), strict=True):
        assert torch.allclose(ours, wanted, atol=1e-7)


@pytest.mark.usefixtures("root")
def test_gradient_checkpointing_changes_no_gradient(base: Base) -> None:
    plain = module_of(base, settings(**PLAIN_SGD))
    checkpointed = module_of(frozen_base(), settings(**PLAIN_SGD, train__gradient_checkpointing=True))
    fit(plain, [batch_of(base)])
    fit(checkpointed, [batch_of(base)])
    assert checkpointed.base.denoiser.is_gradient_checkpointing
    assert all(layer.gradient_checkpointing for layer in checkpointed.base.text_encoders[0].encoder.layers)
    for one, other in zip(weights(plain), weights(checkpointed), strict=True):
        assert torch.allclose(one, other, atol=1e-7)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("name", ["lora", "loha", "ia3"])
@pytest.mark.parametrize("precision", ["bf16", "bf16_full"])
def test_sixteen_bits_train_networks(name: str, precision: str) -> None:
    """Mixed: the base in 16 bits, the network exact. Full: the network too. The losses are nearly fp32's."""
    base, exact = frozen_base(), frozen_base()
    values = {"network.dim": 4, "network.alpha": 4.0, "train.precision": precision}
    config = check(compose(Params({"network": name}, values)))
    module, plain = module_of(base, config), module_of(exact, settings())
    start = weights(module)
    rounded, plainly = History(), History()
    fit(module, [batch_of(base, step) for step in range(2)], history=rounded)
    fit(plain, [batch_of(base, 0)], history=plainly)
    assert base.denoiser.dtype == base.text_encoders[0].dtype == torch.bfloat16
    wanted = torch.bfloat16 if precision == "bf16_full" else torch.float32
    assert {parameter.dtype for parameter in module.network.parameters()} == {wanted}
    assert diffusion_of(module).alphas.dtype == torch.float32
    assert rounded.rows[0].loss == pytest.approx(plainly.rows[0].loss, rel=0.05)
    assert all(parameter.isfinite().all() for parameter in weights(module))
    assert not same(start, weights(module))


@pytest.mark.usefixtures("root")
def test_fp16_on_a_cpu_becomes_bf16_and_says_so(base: Base, capsys: pytest.CaptureFixture[str]) -> None:
    if best_device().type != "cpu":
        pytest.skip("here fp16 is possible")
    assert module_of(base, settings(train__precision="fp16_full")).precision == "bf16_full"
    assert "train.precision fp16_full needs a GPU; this CPU uses bf16_full instead" in capsys.readouterr().err


@pytest.mark.usefixtures("root")
def test_the_running_mean_is_what_is_saved(base: Base) -> None:
    """Three steps: the first is the mean; then 2/11 and 3/12 of the mean before stay."""
    seen: list[list[Tensor]] = []

    class Watch(lightning.Callback):
        def on_train_batch_end(self, _: Any, pl_module: Any, *__: Any) -> None:
            seen.append(weights(pl_module))

    module = module_of(base, settings(**PLAIN_SGD, train__ema_decay=0.5))
    fit(module, [batch_of(base, step) for step in range(3)], callbacks=[Watch()])
    with module.as_saved():
        saved = weights(module)
    assert same(weights(module), seen[2])
    for mean, one, two, three in zip(saved, *seen, strict=True):
        second = 2 / 11 * one + 9 / 11 * two
        assert torch.allclose(mean, 0.25 * second + 0.75 * three, atol=1e-6)


@pytest.mark.usefixtures("root")
def test_schedule_free_saves_its_average(base: Base) -> None:
    values = {"optimizer": "schedulefree", "schedule": "constant"}
    config = check(compose(Params(values, {"network.dim": 2, "network.alpha": 2.0})))
    module = module_of(base, config)
    fit(module, [batch_of(base, step) for step in range(4)])
    training = weights(module)
    with module.as_saved():
        assert not same(weights(module), training)
    for before, after in zip(training, weights(module), strict=True):
        assert torch.allclose(before, after, atol=1e-6)


@pytest.mark.usefixtures("root")
def test_the_text_encoder_rests_after_its_epochs(base: Base) -> None:
    seen: list[tuple[list[Tensor], list[Tensor]]] = []

    class Watch(lightning.Callback):
        def on_train_epoch_end(self, _: Any, pl_module: Any) -> None:
            seen.append((part(pl_module, family("sd1").part("text_encoder")), part(pl_module, UNET)))

    module, history = module_of(base, settings(train__text_encoder_epochs=1)), History()
    batches = [batch_of(base, step) for step in range(2)]
    fit(module, batches, epochs=3, history=history, callbacks=[Watch()])
    (text_1, unet_1), (text_2, unet_2), (text_3, _) = seen
    assert same(text_1, text_2)
    assert same(text_2, text_3)
    assert not same(unet_1, unet_2)
    assert [row.text_encoder_lr > 0 for row in history.rows] == [True, True, False, False, False, False]
    assert all(row.lr > 0 for row in history.rows)


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("optimizer", ["adamw", "prodigy", "schedulefree"])
def test_a_checkpoint_holds_all_that_the_next_epoch_needs(base: Base, tmp_path: Path, optimizer: str) -> None:
    """Two rates, a running mean, two epochs; and the second one from a checkpoint of the first."""
    use = {"optimizer": optimizer, "schedule": "constant"}
    rates = {"optimizer.lr": 0.5, "optimizer.text_encoder_lr": 0.25} if optimizer == "prodigy" else {}
    values = {"network.dim": 2, "network.alpha": 2.0, "train.ema_decay": 0.9, **rates}
    config = check(compose(Params(use, values)))
    batches = [batch_of(base, step) for step in range(2)]
    whole, first, second = (module_of(base, config) for _ in range(3))
    fit(whole, batches, epochs=2)
    fit(first, batches).save_checkpoint(tmp_path / "a.ckpt")
    fit(second, batches, epochs=2, checkpoint=tmp_path / "a.ckpt")
    with whole.as_saved(), second.as_saved():
        assert same(weights(whole), weights(second))


@pytest.mark.usefixtures("root")
def test_a_base_with_v_prediction_learns_v_from_rescaled_noise(base: Base) -> None:
    config = settings(noise__zero_terminal_snr=True, noise__min_snr_gamma=5.0, noise__min_timestep=999)
    with pytest.raises(UserError, match=r"noise\.zero_terminal_snr requires a base .* v_prediction"):
        module_of(base, config)
    base.configs["scheduler"]["prediction_type"] = "v_prediction"
    module, batch = module_of(base, config), batch_of(base)
    snr = diffusion_of(module).snr[999].item()
    assert diffusion_of(module).alphas[999] == 0
    assert snr == pytest.approx(0.00468, rel=0.01)  # before the rescaling, as sd-scripts weighs
    generator = torch.Generator().manual_seed(0)
    torch.randn(batch.mean.shape, generator=generator)
    noise = torch.randn(batch.mean.shape, generator=generator)
    context = base.family.encode(base, batch.ids, 1).tokens
    answer = base.denoiser(noise, torch.tensor([999, 999]), context).sample
    errors = (answer + batch.mean).square().mean(dim=(1, 2, 3)) * snr / (snr + 1)
    assert module.picture_losses(batch).tolist() == pytest.approx(errors.tolist(), rel=1e-4)


@pytest.mark.large  # tracing takes a quarter of a minute
@pytest.mark.usefixtures("root")
@pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor"
)  # torch's tracer, of the text encoder's answer
def test_a_compiled_unet_gives_the_same_loss(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced with the network attached; torch's own backend in place of a compiler, for time."""
    original = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **_: original(self, backend="eager", dynamic=False)
    )
    plain, compiled = module_of(base, settings()), module_of(frozen_base(), settings(train__compile=True))
    batches = [batch_of(base, step) for step in range(2)]
    histories = History(), History()
    fit(plain, batches, history=histories[0])
    fit(compiled, batches, history=histories[1])
    losses = [[row.loss for row in history.rows] for history in histories]
    assert losses[0] == pytest.approx(losses[1])
