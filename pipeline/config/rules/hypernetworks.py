"""Structures of hypernetworks that ComfyUI reads otherwise than AUTOMATIC1111, which trained the first
(comfyanonymous/ComfyUI comfy_extras/nodes_hypernetwork.py).
"""

COMFYUI_ACTIVATIONS = (
    "linear", "relu", "leakyrelu", "elu", "swish", "tanh", "sigmoid", "softsign", "mish",
)  # fmt: skip


def misread_by_comfyui(activation: str, activate_output: bool, use_layer_norm: bool) -> str | None:
    """How, and what to set instead; None where it reads the structure as it was trained."""
    if activation not in COMFYUI_ACTIVATIONS:
        return (
            f"activation {activation} is not known to ComfyUI, which then leaves the hypernetwork out; it"
            f" knows {', '.join(COMFYUI_ACTIVATIONS)}"
        )
    if use_layer_norm and activation != "linear" and not activate_output:
        return (
            f"use_layer_norm without activate_output is misread by ComfyUI, which puts {activation} behind"
            " the last layer as well; set activate_output true, use_layer_norm false, or activation linear"
        )
    return None
