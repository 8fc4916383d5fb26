"""What is said to the model and how a sequence is laid out.

    <|instruction|> wording [<cxr> ... </cxr>]... text <|response|> answer <|end|>

`wording` names the task, the images come after it, then the text that is given: a report, findings or a question.
Where the model has statements, a text that is drawn from ends with what it says of each observation, and an answer
that is a report begins with it. Further questions about the same images follow as `<|instruction|> question
<|response|> answer <|end|>`. Each task has ten wordings; training draws one, inference takes the first. They are short,
since every token costs time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from transformers import PreTrainedTokenizerBase

from radloom.language.vocabulary import END, INSTRUCTION, RESPONSE, TokenIds
from radloom.reports.labeller import label
from radloom.reports.report_text import Sections, report_from_text, report_to_text
from radloom.study import OBSERVATIONS, Mention, Report, View

REPORT = (
    "Write the {sections}.",
    "Report the {sections}.",
    "Describe the {sections}.",
    "Give the {sections} of this study.",
    "Read this X-ray and give the {sections}.",
    "Dictate the {sections}.",
    "State the {sections} of this chest X-ray.",
    "As a radiologist, write the {sections}.",
    "Interpret this X-ray: {sections}.",
    "Fill in the {sections}.",
)
"""X-rays -> sections of the report."""

DRAW = (
    "Draw the {view} X-ray.",
    "Show the {view} view.",
    "Create the {view} chest X-ray.",
    "Generate a {view} X-ray of this.",
    "Make the {view} image.",
    "Synthesise the {view} view.",
    "Give the {view} X-ray of this report.",
    "Picture this in a {view} X-ray.",
    "How does the {view} X-ray look?",
    "Produce a matching {view} X-ray.",
)
"""Sections of a report -> X-ray of a view."""

QUESTION = (
    "Answer the question.",
    "Look and answer.",
    "Answer from the X-ray.",
    "Answer this about the X-ray.",
    "Say what the X-ray shows.",
    "Reply to the question.",
    "Here is a question on this X-ray.",
    "Check the X-ray and answer.",
    "As a radiologist, answer.",
    "Use the X-ray to answer.",
)
"""X-rays and a question -> answer."""

IMPRESSION = (
    "Sum up these findings.",
    "Write the impression.",
    "Give the impression of these findings.",
    "Conclude from these findings.",
    "State the impression.",
    "What do these findings mean?",
    "Summarise the findings.",
    "Draw the conclusion.",
    "As a radiologist, conclude.",
    "Put these findings in short.",
)
"""Findings -> impression, text alone."""

OBSERVE = (
    "List the observations.",
    "Name the observations in this report.",
    "What does this report state?",
    "Extract the observations.",
    "Label this report.",
    "List what is present or absent.",
    "Give the labels of this report.",
    "Code this report.",
    "Mark each observation.",
    "Tabulate the observations.",
)
"""Report -> what it says of each observation, text alone."""

MATCH = (
    "Is this its report?",
    "Does this report belong to the X-ray?",
    "Is this the report of this X-ray?",
    "Does this text describe the X-ray?",
    "Do X-ray and report match?",
    "Was this written about this X-ray?",
    "Does the X-ray show this?",
    "Is this report right?",
    "As a radiologist, would you sign this report?",
    "Check this report against the X-ray.",
)
"""X-rays and a report -> whether they belong together."""

WORDINGS = 10
"""Wordings a task."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ message['content'] + '" + END + "' }}"
    "{% else %}{{ '" + INSTRUCTION + "' + message['content'] + '" + RESPONSE + "' }}{% endif %}"
    "{% endfor %}"
)
"""The layout for tools that hold a conversation without radloom."""

YES_NO = {True: "Yes", False: "No"}
"""Answers to whether X-rays and a report match."""

_NAMED = {
    Sections.FINDINGS: "findings",
    Sections.IMPRESSION: "impression",
    Sections.BOTH: "findings and impression",
}


@lru_cache(maxsize=16384)
def stated(text: str) -> dict[str, Mention]:
    """What `report_to_text`'s text says of each observation; not to be changed, since it is remembered."""
    return label(report_from_text(text))


def format_observations(labels: Mapping[str, Mention]) -> str:
    """`cardiomegaly: positive; pleural effusion: negative`, in CheXpert's order."""
    return "; ".join(f"{name.lower()}: {labels[name].value}" for name in OBSERVATIONS if name in labels)


def fixed_texts() -> Iterator[str]:
    """Every text that prompts and answers are built from, so that a cut vocabulary keeps its tokens."""
    for wordings in (REPORT, DRAW, QUESTION, IMPRESSION, OBSERVE, MATCH):
        for wording in wordings:
            for sections in Sections:
                for view in View:
                    yield wording.format(sections=_NAMED[sections], view=view.value)
    yield report_to_text(Report(findings="A.", impression="A."))
    yield from YES_NO.values()
    for mention in Mention:
        yield format_observations(dict.fromkeys(OBSERVATIONS, mention))


@dataclass(frozen=True)
class Prompter:
    """Builds prompts as token ids, the same ones in training and at inference.

    Prompts end where the answer begins. An empty list of images, or an empty report, is a dropped condition and
    becomes `<null>`. Text can never smuggle in a control token: `<|end|>` in a report is spelt out in ordinary tokens.

    Attributes:
        tokenizer: with the image tokens.
        ids: their ids.
    """

    tokenizer: PreTrainedTokenizerBase
    ids: TokenIds

    def report(self, images: Sequence[list[int]], sections: Sections = Sections.BOTH, wording: int = 0) -> list[int]:
        """Asks for sections of the report.

        Args:
            images: each as `TokenIds.image` gives it.
            sections: which sections are wanted.
            wording: index of the wording.
        """
        return self._ask(REPORT[wording].format(sections=_NAMED[Sections(sections)]), self._shown(images))

    def draw(self, report: Report, view: View | str, sections: Sections = Sections.BOTH, wording: int = 0) -> list[int]:
        """Asks for an X-ray of `view` that fits those sections of `report`; ends with `<cxr> <view>`."""
        text = report_to_text(report, sections)
        given = [*self.encode(text), *self.ids.say(stated(text))] if text else [self.ids.null]
        return self._ask(DRAW[wording].format(view=View(view).value), given) + self.ids.opening(view)

    def question(self, question: str, images: Sequence[list[int]], wording: int = 0) -> list[int]:
        """Asks a question about images."""
        return self._ask(QUESTION[wording], self._shown(images) + self.encode(question))

    def further_question(self, question: str) -> list[int]:
        """Asks one more question about the images that stand before it."""
        return self._ask(question, [])

    def match(self, report: Report, images: Sequence[list[int]], sections: Sections, wording: int = 0) -> list[int]:
        """Asks whether sections of a report belong to images; without images, to those that stand before."""
        given = [token for image in images for token in image]
        return self._ask(MATCH[wording], given + self.encode(report_to_text(report, sections)))

    def impression(self, findings: str, wording: int = 0) -> list[int]:
        """Asks for the impression that follows from findings."""
        return self._ask(IMPRESSION[wording], self.encode(report_to_text(Report(findings=findings))))

    def observations(self, report: Report, wording: int = 0) -> list[int]:
        """Asks what a report says of each observation."""
        return self._ask(OBSERVE[wording], self.encode(report_to_text(report)))

    def report_answer(self, report: Report, sections: Sections) -> list[int]:
        """Statements on what those sections say, the sections and `<|end|>`: what `report` asks for."""
        text = report_to_text(report, sections)
        return [*self.ids.say(stated(text)), *self.answer(text)]

    def answer(self, text: str) -> list[int]:
        """An answer in words, with its `<|end|>`."""
        return [*self.encode(text), self.ids.end]

    def encode(self, text: str) -> list[int]:
        """Ids of ordinary text; names of special tokens in it are taken literally."""
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids)

    def decode(self, tokens: Sequence[int]) -> str:
        """Text of generated ids."""
        return str(self.tokenizer.decode(list(tokens), skip_special_tokens=True)).strip()

    def _ask(self, wording: str, given: list[int]) -> list[int]:
        return [self.ids.instruction, *self.encode(wording), *given, self.ids.response]

    def _shown(self, images: Sequence[list[int]]) -> list[int]:
        return [token for image in images for token in image] or [self.ids.null]
