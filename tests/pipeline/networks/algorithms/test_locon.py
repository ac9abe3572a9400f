import torch
from lycoris.modules.locon import LoConModule

from pipeline.networks.algorithms.locon import Locon, Tucker
from pipeline.networks.algorithms.lora import Lora
from tests.pipeline.networks.examples import (
    conv,
    filled,
    input_for,
    linear,
    merged,
    relative,
    settings,
    silenced,
    weight_of,
)

TUCKER = settings("locon", tucker=True)


def test_tucker_form_is_for_kernels_alone() -> None:
    assert isinstance(Locon.from_config(conv(), TUCKER), Tucker)
    assert not isinstance(Locon.from_config(conv(1), TUCKER), Tucker)
    assert not isinstance(Locon.from_config(linear(), TUCKER), Tucker)
    assert not isinstance(Locon.from_config(conv(), settings("locon")), Tucker)


def test_training_starts_from_the_base() -> None:
    target = conv()
    adapter = Locon.from_config(target, TUCKER)
    assert not adapter.delta(target.weight).any()
    assert isinstance(adapter, Tucker)
    assert adapter.lora_mid.weight.any()
    assert adapter.lora_down.weight.shape == (4, 24, 1, 1)


def test_hand_worked_tucker() -> None:
    target = conv()
    adapter = Tucker(target, 1, 0.5)
    for weight in (adapter.lora_down.weight, adapter.lora_up.weight):
        weight.data.fill_(2.0)
    adapter.lora_mid.weight.data = torch.arange(9.0).reshape(1, 1, 3, 3)
    assert torch.equal(adapter.delta(target.weight)[7, 3], 2 * torch.arange(9.0).reshape(3, 3))


def test_the_forward_pass_equals_the_merged_weight() -> None:
    for target in (conv(), conv(3, 2)):
        adapter, x = filled(Locon.from_config(target, TUCKER)), input_for(target)
        assert relative(adapter.answer(x, target), merged(adapter, x)) < 1e-5


def test_lycoris_agrees() -> None:
    target = conv()
    adapter = filled(Locon.from_config(target, TUCKER))
    theirs = LoConModule("x", silenced(target), multiplier=1.0, lora_dim=4, alpha=3.0, use_tucker=True)
    theirs.load_state_dict(adapter.state_dict())
    assert relative(adapter.delta(target.weight), weight_of(theirs, target)) < 1e-6


def test_weights_of_a_file_come_back() -> None:
    for wanted in (TUCKER, settings("locon")):
        target = conv()
        adapter = filled(Locon.from_config(target, wanted))
        found = Locon.from_weights(target, adapter.state_dict())
        assert type(found) is type(adapter)
        assert torch.equal(found.delta(target.weight), adapter.delta(target.weight))
    assert type(Locon.from_weights(target, adapter.state_dict())) is Lora
