import json

from pipeline.networks.network_header import network_header
from tests.pipeline.networks.examples import network_config


def test_lora_is_written_as_sd_scripts_does() -> None:
    assert network_header(network_config("lora", dim=8, alpha=4)) == {
        "ss_network_module": "networks.lora",
        "ss_network_dim": "8",
        "ss_network_alpha": "4.0",
        "ss_network_args": "{}",
    }


def test_the_others_as_lycoris_does_with_their_arguments_as_text() -> None:
    facts = network_header(network_config("locon", tucker=True, dropout=0.1))
    assert (facts["ss_network_module"], facts["ss_network_dropout"]) == ("lycoris.kohya", "0.1")
    assert json.loads(facts["ss_network_args"]) == {
        "algo": "locon",
        "conv_dim": "8",
        "conv_alpha": "4.0",
        "use_tucker": "True",
    }
    facts = network_header(network_config("lokr", factor=8))
    assert json.loads(facts["ss_network_args"]) == {"algo": "lokr", "factor": "8"}
    facts = network_header(network_config("lora", dora=True, lora_plus_ratio=16.0))
    assert facts["ss_network_module"] == "lycoris.kohya"
    assert json.loads(facts["ss_network_args"]) == {
        "algo": "lora",
        "dora_wd": "True",
        "loraplus_lr_ratio": "16.0",
    }


def test_dylora_is_sd_scripts_module() -> None:
    facts = network_header(network_config("dylora"))
    assert facts["ss_network_module"] == "networks.dylora"
    assert json.loads(facts["ss_network_args"]) == {"unit": "4"}
