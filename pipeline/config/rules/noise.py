"""Rules of the group noise. pipeline/objectives/losses.py checks it against the loaded base."""

from pipeline.schemas import NoiseConfig

NEEDS = {
    "offset_random_strength": "offset",
    "perturbation_random_strength": "perturbation",
    "snr_after_rescale": "zero_terminal_snr",
}
"""By setting: the one it has no effect without."""


def noise_contradictions(noise: NoiseConfig) -> list[str]:
    """Settings that contradict each other."""
    problems = []
    if noise.min_timestep >= noise.max_timestep:
        problems.append(
            f"noise.min_timestep {noise.min_timestep} is not below noise.max_timestep {noise.max_timestep},"
            " so no timestep is left; lower it"
        )
    if noise.offset_adaptive and not noise.offset:
        problems.append(
            f"noise.offset_adaptive {noise.offset_adaptive:g} adds to noise.offset, which is 0; set"
            " noise.offset, for example to 0.06"
        )
    return problems


def noise_doubts(noise: NoiseConfig) -> list[str]:
    """Settings that have no effect, or are rarely meant."""
    doubts = [
        f"noise.{key} has no effect: noise.{other} is off"
        for key, other in NEEDS.items()
        if getattr(noise, key) and not getattr(noise, other)
    ]
    if noise.offset and noise.pyramid_iterations:
        doubts.append(
            "noise.offset and noise.pyramid_iterations are both on, and both shift whole channels; use one of"
            " them"
        )
    if noise.pyramid_iterations == 1:
        doubts.append("noise.pyramid_iterations 1 adds no smaller size; 6-10 is usual, 0 is off")
    if noise.min_snr_gamma is not None and noise.debiased:
        doubts.append("noise.min_snr_gamma and noise.debiased multiply each other; use one of them")
    if noise.debiased == "exact" and noise.scale_v_prediction:
        doubts.append(
            "noise.debiased exact and noise.scale_v_prediction multiply each other, and both weigh by"
            " SNR / (SNR + 1); set noise.scale_v_prediction to false"
        )
    if noise.timestep_distribution != "logit_normal" and noise.timestep_mean:
        doubts.append(
            f"noise.timestep_mean has no effect: noise.timestep_distribution is {noise.timestep_distribution}"
        )
    bends = noise.loss in ("huber", "smooth_l1")
    if bends and noise.huber_schedule == "snr" and noise.huber_scale != 1:
        doubts.append("noise.huber_scale has no effect: noise.huber_schedule is snr")
    return doubts
