from pathlib import Path

import pytest

import tiny
from radloom.errors import CheckpointError
from radloom.language.writer import question_writer


def test_a_language_model_as_a_function(tmp_path: Path) -> None:
    base = tiny.make_base(tmp_path / "base")
    write = question_writer(str(base), max_tokens=5)
    prompt = "The heart is normal."
    text = write(prompt)
    assert text and text == write(prompt)  # the likeliest tokens
    assert not text.startswith(prompt)


def test_a_conversation_is_laid_out_as_the_model_knows_it(tmp_path: Path) -> None:
    base = tiny.make_base(tmp_path / "base")
    plain = question_writer(str(base), max_tokens=5)("heart")
    (base / "chat_template.jinja").write_text("{% for m in messages %}lungs {{ m['content'] }} clear{% endfor %}")
    assert question_writer(str(base), max_tokens=5)("heart") != plain


def test_no_such_model(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no causal language model"):
        question_writer(str(tmp_path))
