"""Any instruction-tuned language model as a function from prompt to text, to write questions with."""

from __future__ import annotations

from typing import Any

import torch

from radloom.devices import usable
from radloom.language.base import quiet, read_hub
from radloom.reports.questions import QuestionWriter


def question_writer(name: str, *, device: str = "cpu", max_tokens: int = 400) -> QuestionWriter:
    """A causal language model that completes one prompt at a time, taking the likeliest token.

    Args:
        name: a folder, or a name on the Hugging Face hub.
        device: where it runs.
        max_tokens: longest answer.

    Raises:
        RecipeError: no name.
        CheckpointError: nothing readable there.
        RadloomError: a device that this machine does not have.
    """
    place = usable(device)
    with quiet():
        model, tokenizer = read_hub(name)
    network: Any = model.to(place).eval()  # type: ignore[arg-type]

    @torch.no_grad()
    def write(prompt: str, /) -> str:
        if tokenizer.chat_template:
            message = [{"role": "user", "content": prompt}]
            inputs: Any = tokenizer.apply_chat_template(
                message, add_generation_prompt=True, return_tensors="pt", return_dict=True
            )
        else:
            inputs = tokenizer(prompt, return_tensors="pt")
        ids, mask = inputs["input_ids"].to(place), inputs["attention_mask"].to(place)
        with quiet():
            output = network.generate(ids, attention_mask=mask, max_new_tokens=max_tokens, do_sample=False)
        return str(tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True))

    return write
