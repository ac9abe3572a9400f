"""Structures of hypernetworks that ComfyUI reads differently from AUTOMATIC1111, which trained the first ones
(comfyanonymous/ComfyUI comfy_extras/nodes_hypernetwork.py).
"""

COMFYUI_ACTIVATIONS = (
    "linear", "relu", "leakyrelu", "elu", "swish", "tanh", "sigmoid", "softsign", "mish",
)  # fmt: skip


def misread_by_comfyui(activation: str, activate_output: bool, use_layer_norm: bool) -> str | None:
    """The difference, and what to set instead; None if ComfyUI reads the structure as trained."""
    if activation not in COMFYUI_ACTIVATIONS:
        return (
            f"activation {activation} is unknown to ComfyUI, which then ignores the hypernetwork; it"
            f" knows {', '.join(COMFYUI_ACTIVATIONS)}"
        )
    if use_layer_norm and activation != "linear" and not activate_output:
        return (
            f"use_layer_norm without activate_output is misread by ComfyUI, which applies {activation} after"
            " the last layer, too; set activate_output true, use_layer_norm false, or activation linear"
        )
    return None
