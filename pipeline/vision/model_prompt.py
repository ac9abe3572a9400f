"""A prompt in the form that a vision-language model was trained on.

Models with a chat template get a conversation: a message of a picture and the prompt, or, where the template
takes plain texts only (JoyCaption's, which places the picture by itself), the prompt alone. Florence-2 has
none and takes task tokens. Other models without a template get their picture token before the prompt.
"""

import re
from typing import Any

from jinja2 import TemplateError

from pipeline.errors import UserError

FLORENCE = "florence2"
TASK = re.compile(r"<[A-Z_]+>")
PRINTED_PART = re.compile(r"""["']type["']\s*:""")
TASKS = "<CAPTION>, <DETAILED_CAPTION>, <MORE_DETAILED_CAPTION>; PromptGen also <GENERATE_TAGS>"


def model_prompt(processor: Any, model_type: str, prompt: str, system: str | None, key: str) -> str:
    """The text for the processor. A user error if the model cannot be asked so. `key`: the setting that names
    the model.
    """
    if model_type == FLORENCE and not TASK.fullmatch(prompt):
        raise UserError(
            f"{key}_prompts: Florence-2 takes only task tokens, found {prompt[:60]!r}; use one of {TASKS}"
        )
    if held := [token for token in _picture_tokens(processor) if token and token in prompt]:
        raise UserError(
            f"{key}: {prompt[:60]!r} holds {held[0]}, which is this model's mark of a picture; remove it"
        )
    if not _has_template(processor):
        token = None if model_type == FLORENCE else getattr(processor, "image_token", None)
        return f"{token}\n{prompt}" if token else prompt
    shown = {"type": "image"}, {"type": "text", "text": prompt}
    for content in (list(shown), prompt):
        text = _rendered(processor, _messages(content, system))
        if text and _is_whole(text, prompt, _picture_tokens(processor)):
            return text
    also = f" and a system message; set {key}_system to null, or" if system else ";"
    raise UserError(
        f"{key}: the chat template of this {model_type} takes no picture with a prompt{also} use"
        " another model"
    )


def _messages(content: list[dict[str, str]] | str, system: str | None) -> list[dict[str, Any]]:
    """The conversation, texts in the form of `content`."""
    said: Any = system if isinstance(content, str) else [{"type": "text", "text": system}]
    before = [] if system is None else [{"role": "system", "content": said}]
    return [*before, {"role": "user", "content": content}]


def _rendered(processor: Any, messages: list[dict[str, Any]]) -> str | None:
    """None if the template does not take such messages."""
    try:
        return str(processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))
    except (TemplateError, TypeError, ValueError):
        return None


def _is_whole(text: str, prompt: str, picture_tokens: list[str]) -> bool:
    """Whether prompt and picture have their places. A template for plain texts prints parts as code."""
    return (
        prompt.strip() in text
        and not PRINTED_PART.search(text)
        and any(token in text for token in picture_tokens)
    )


def _has_template(processor: Any) -> bool:
    tokenizer = getattr(processor, "tokenizer", None)
    return bool(getattr(processor, "chat_template", None) or getattr(tokenizer, "chat_template", None))


def _picture_tokens(processor: Any) -> list[str]:
    """Marks that a processor replaces by a picture; an empty one, which every text has, if none is known."""
    tokens = [getattr(processor, name, None) for name in ("image_token", "boi_token")]
    return [str(token) for token in tokens if token] or [""]
