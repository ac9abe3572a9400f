"""What the settings of the group noise demand of each other. What they demand of the base is seen when it is
loaded (pipeline/objectives/losses.py).
"""

from pipeline.config.schemas import Noise

NEEDS = {
    "offset_random_strength": "offset",
    "perturbation_random_strength": "perturbation",
    "snr_after_rescale": "zero_terminal_snr",
}
"""What a setting changes nothing without."""


def noise_contradictions(noise: Noise) -> list[str]:
    """Pairs of settings that cannot hold together."""
    problems = []
    if noise.min_timestep >= noise.max_timestep:
        problems.append(
            f"noise.min_timestep {noise.min_timestep} is not below noise.max_timestep {noise.max_timestep}:"
            " no timestep would be left"
        )
    if noise.offset_adaptive and not noise.offset:
        problems.append(
            f"noise.offset_adaptive {noise.offset_adaptive:g} adds to noise.offset, which is 0; give"
            " noise.offset a value, 0.06 for instance"
        )
    return problems


def noise_doubts(noise: Noise) -> list[str]:
    """Settings that change nothing, or are seldom meant."""
    found = [
        f"noise.{key} has no effect: noise.{other} is off"
        for key, other in NEEDS.items()
        if getattr(noise, key) and not getattr(noise, other)
    ]
    if noise.offset and noise.pyramid_iterations:
        found.append(
            "noise.offset and noise.pyramid_iterations are both on, and both move whole channels; one of"
            " them is usual"
        )
    if noise.pyramid_iterations == 1:
        found.append("noise.pyramid_iterations 1 has no smaller size; 6-10 is usual, 0 is off")
    if noise.min_snr_gamma is not None and noise.debiased:
        found.append("noise.min_snr_gamma and noise.debiased multiply each other; one of them is usual")
    if noise.debiased == "exact" and noise.scale_v_prediction:
        found.append(
            "noise.debiased exact and noise.scale_v_prediction multiply each other, and both weigh by"
            " SNR / (SNR + 1); set noise.scale_v_prediction to false"
        )
    if noise.timestep_distribution != "logit_normal" and noise.timestep_mean:
        found.append(
            f"noise.timestep_mean has no effect: noise.timestep_distribution is {noise.timestep_distribution}"
        )
    bends = noise.loss in ("huber", "smooth_l1")
    if bends and noise.huber_schedule == "snr" and noise.huber_scale != 1:
        found.append("noise.huber_scale has no effect: noise.huber_schedule is snr")
    return found
