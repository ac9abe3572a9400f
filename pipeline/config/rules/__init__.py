"""Rules across settings, a file per kind. Each rule returns sentences that name both settings: errors for
pairs that contradict each other, warnings for settings that have no effect or are rarely meant.
"""

from pipeline.config.rules.base import base_contradictions, base_doubts
from pipeline.config.rules.captions import caption_contradictions, caption_doubts
from pipeline.config.rules.judging import judging_contradictions, judging_doubts
from pipeline.config.rules.merge import merge_contradictions, merge_doubts
from pipeline.config.rules.network import network_contradictions, network_doubts
from pipeline.config.rules.noise import noise_contradictions, noise_doubts
from pipeline.config.rules.optimizer import optimizer_contradictions, optimizer_doubts
from pipeline.config.rules.pictures import picture_contradictions, picture_doubts
from pipeline.config.rules.schedule import schedule_contradictions, schedule_doubts
from pipeline.config.rules.train import train_contradictions, train_doubts
from pipeline.config.rules.watching import watching_contradictions, watching_doubts
from pipeline.schemas import Config


def contradictions(config: Config) -> list[str]:
    """Settings that contradict each other."""
    return [
        *base_contradictions(config),
        *network_contradictions(config.network, config.train),
        *picture_contradictions(config),
        *caption_contradictions(config),
        *optimizer_contradictions(config),
        *schedule_contradictions(config.schedule),
        *noise_contradictions(config.noise),
        *train_contradictions(config),
        *watching_contradictions(config),
        *judging_contradictions(config),
        *merge_contradictions(config),
    ]


def doubtful(config: Config) -> list[str]:
    """Settings that have no effect, or are rarely meant."""
    return [
        *base_doubts(config),
        *picture_doubts(config),
        *network_doubts(config.network, config.optimizer),
        *optimizer_doubts(config),
        *schedule_doubts(config.schedule),
        *noise_doubts(config.noise),
        *train_doubts(config),
        *watching_doubts(config),
        *caption_doubts(config),
        *judging_doubts(config),
        *merge_doubts(config),
    ]
