"""Two small base models that differ in architecture, tokenizer and tying."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

TEXTS = [
    "The heart is normal in size. The lungs are clear.",
    "There is a small left pleural effusion with adjacent atelectasis.",
    "No pneumothorax is seen. Degenerative changes of the thoracic spine.",
    "Is there an effusion? Yes, on the left. FINDINGS: IMPRESSION:",
    "Stable cardiomegaly without edema, 12 mm granuloma in the right upper lobe.",
]


def byte_level_tokenizer():
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=["<|endoftext|>", "<|unused|>"], initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|endoftext|>")


def metaspace_tokenizer():
    backend = Tokenizer(models.Unigram())
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=150, special_tokens=["<unk>", "</s>"], unk_token="<unk>", show_progress=False
    )
    backend.train_from_iterator(TEXTS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>", unk_token="<unk>")


def tiny_llama():
    """Tied, byte-level BPE."""
    tokenizer = byte_level_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=5,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=None,
    )
    return LlamaForCausalLM(config).eval(), tokenizer


def tiny_neox():
    """Untied, Unigram, with spare rows beyond the tokenizer's vocabulary."""
    tokenizer = metaspace_tokenizer()
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=len(tokenizer) + 13,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=256,
        tie_word_embeddings=False,
        initializer_range=0.2,
        bos_token_id=None,
        eos_token_id=1,
    )
    return GPTNeoXForCausalLM(config).eval(), tokenizer


BASES = {"llama": tiny_llama, "neox": tiny_neox}
