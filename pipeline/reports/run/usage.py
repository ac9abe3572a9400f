"""How to use the proposed file in AUTOMATIC1111, Forge and ComfyUI, ready to copy."""

from pipeline.reports.run.diffusers_program import in_diffusers
from pipeline.reports.run.files import (
    A1111_FOLDERS,
    ADAPTER,
    AESTHETIC,
    CHECKPOINT,
    COMFY_FOLDERS,
    EMBEDDING,
    HYPERNETWORK,
)
from pipeline.reports.run.proposal import Proposal, Use


def uses(proposal: Proposal) -> list[Use]:
    return [_a1111(proposal), _comfyui(proposal), in_diffusers(proposal)]


def call(proposal: Proposal) -> str:
    """The text for AUTOMATIC1111's prompt."""
    if proposal.family == ADAPTER:
        return f"<lora:{proposal.path.stem}:{proposal.weight:g}>"
    if proposal.family == HYPERNETWORK:
        return f"<hypernet:{proposal.path.stem}:{proposal.weight:g}>"
    return ", ".join(proposal.words) if proposal.family == EMBEDDING else ""


def file_to_copy(proposal: Proposal) -> str:
    """The file for other tools: a hypernetwork's .pt, an embedding's file for each of its words."""
    if proposal.family in (HYPERNETWORK, AESTHETIC):
        return proposal.path.with_suffix(".pt").name
    if proposal.family == EMBEDDING and len(proposal.words) > 1:
        return ", ".join(f"{proposal.path.stem}_{word}.safetensors" for word in proposal.words)
    return proposal.path.name


def _place(proposal: Proposal, folder: str) -> str:
    if proposal.family == EMBEDDING:
        names = ", ".join(f"{folder}/{word}.safetensors" for word in proposal.words)
        return f"{file_to_copy(proposal)} as {names}: the file's name is the word"
    return f"{file_to_copy(proposal)} into {folder}/"


def _a1111(proposal: Proposal) -> Use:
    paste = "Paste this into the prompt and press the blue arrow: it applies all settings."
    blocks = [(paste, proposal.infotext)] if proposal.infotext else []
    if word := call(proposal):
        blocks.insert(0, ("In the prompt:", word))
    notes = ["Select it as the checkpoint; the prompt needs nothing."] if not call(proposal) else []
    if proposal.family == AESTHETIC:
        notes = ["Select it in the panel of the aesthetic gradients extension; the prompt needs nothing."]
    is_forge_too = proposal.family not in (HYPERNETWORK, AESTHETIC)
    tool = "AUTOMATIC1111, Forge" if is_forge_too else "AUTOMATIC1111"
    return Use(
        tool, _place(proposal, A1111_FOLDERS[proposal.family]), blocks, [*notes, *_a1111_limits(proposal)]
    )


def _a1111_limits(proposal: Proposal) -> list[str]:
    """What the base needs that AUTOMATIC1111 does not do by itself."""
    notes = []
    if proposal.needs_marker:
        notes.append(
            "The base predicts v: Forge reads this from the checkpoint's tensor `v_pred`; AUTOMATIC1111 does"
            " so after version 1.10 (its branch dev)."
        )
    if proposal.guidance_rescale:
        notes.append(
            f"The picture was drawn with guidance rescale {proposal.guidance_rescale:g}: the field CFG"
            " Rescale of Forge, or of AUTOMATIC1111's extension of that name."
        )
    return notes


def _comfyui(proposal: Proposal) -> Use:
    if proposal.family == AESTHETIC:
        return Use("ComfyUI", "not at all", [], ["ComfyUI has no aesthetic gradients."])
    weight = f"{proposal.weight:g}"
    block = {
        ADAPTER: ("Node Load LoRA:", f"strength_model {weight}\nstrength_clip {weight}"),
        HYPERNETWORK: ("Node HypernetworkLoader:", f"strength {weight}"),
        EMBEDDING: ("In CLIP Text Encode:", " ".join(f"embedding:{word}" for word in proposal.words)),
        CHECKPOINT: ("Node Load Checkpoint:", proposal.path.name),
    }[proposal.family]
    blocks = [block, ("Prompt:", proposal.prompt)]
    if proposal.guidance_rescale:
        blocks.append(("Node RescaleCFG:", f"multiplier {proposal.guidance_rescale:g}"))
    name = f"{proposal.path.stem}-diff.safetensors" if proposal.kind == "ia3" else file_to_copy(proposal)
    folder = COMFY_FOLDERS[proposal.family]
    place = _place(proposal, folder) if proposal.kind != "ia3" else f"{name} into {folder}/"
    return Use("ComfyUI", place, blocks, _comfyui_limits(proposal))


def _comfyui_limits(proposal: Proposal) -> list[str]:
    if not proposal.needs_marker:
        return []
    zero = " and zsnr on" if proposal.has_zero_snr else ""
    return [
        "The base predicts v: ComfyUI reads this from the checkpoint's tensors `v_pred` and `ztsnr`; for a"
        f" file without them add the node ModelSamplingDiscrete with sampling v_prediction{zero}."
    ]
