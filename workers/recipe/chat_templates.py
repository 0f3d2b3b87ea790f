"""Chat templates that a recipe can name; each writes the format of a family of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evaluators.settings import suggestion

CHATML = """\
{% for message in messages %}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
LLAMA3 = """\
{{- bos_token }}
{%- for message in messages %}
{{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}
{{- message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""
MISTRAL = """\
{{- bos_token }}
{%- set rules = '' %}
{%- if messages[0]['role'] == 'system' %}
{%- set rules = messages[0]['content'] | trim + '\\n\\n' %}
{%- set messages = messages[1:] %}
{%- endif %}
{%- for message in messages %}
{%- if message['role'] == 'user' %}
{{- '[INST] ' + (rules if loop.first else '') + message['content'] | trim + ' [/INST]' }}
{%- else %}
{{- ' ' + message['content'] | trim + eos_token }}
{%- endif %}
{%- endfor %}
"""
ALPACA = """\
{%- set titles = {'user': '### Instruction:\\n', 'assistant': '### Response:\\n'} %}
{%- for message in messages %}
{{- titles.get(message['role'], '') + message['content'] | trim + '\\n\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- titles['assistant'] }}
{%- endif %}
"""
TEMPLATES: Mapping[str, str] = {
    "alpaca": ALPACA,
    "chatml": CHATML,
    "llama3": LLAMA3,
    "mistral": MISTRAL,
}


def is_template(text: str) -> bool:
    """Whether it is a template itself, not a name."""
    return "{" in text


def template_errors(choice: object, models: Sequence[str]) -> list[str]:
    """Why a choice is neither a template nor the name of one or of a model."""
    known = [*(["base"] if models else []), *models, *TEMPLATES]
    if choice is None or (isinstance(choice, str) and (is_template(choice) or choice in known)):
        return []
    return [f"chat_template {choice!r} is not a Jinja template; {suggestion(str(choice), known)}"]
