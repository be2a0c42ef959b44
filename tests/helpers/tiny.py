"""Tiny models with random weights, one of each architecture that is promised to work.

Made from configs and saved to disk as an owner's would be; the tokenizers are trained on a few
sentences, each with the algorithm that the architecture's real one uses.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as tf
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

CORPUS = [
    "Ada Lovelace was born in London and wrote to Charles Babbage.",
    "The battery lasts two days and the screen is gorgeous.",
    "They cancelled my order twice and nobody answers the phone.",
    "This example is about billing, or a technical problem, or praise.",
    "Once upon a time there was a model that nobody had tried.",
    "The capital of France is Paris, and Zürich is a city too.",
] * 3
MAX_TOKENS = 48
TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "MISC"]
NLI = ["contradiction", "neutral", "entailment"]
CHAT = (
    "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}


def wordpiece() -> Any:
    """As BERT and DistilBERT have it."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    core = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    core.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(vocab_size=180, special_tokens=special)
    )
    return tf.BertTokenizer(vocab=core.get_vocab(), do_lower_case=False)


def _byte_level(special: list[str]) -> Tokenizer:
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=330,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    core.train_from_iterator(CORPUS, trainer)
    return core


def _merges(core: Tokenizer, folder: Path) -> list[tuple[str, str]]:
    _, path = core.model.save(str(folder))
    lines = Path(path).read_text(encoding="utf-8").splitlines()[1:]
    return [(left, right) for left, right in (line.split(" ") for line in lines)]


def bytelevel_roberta(folder: Path) -> Any:
    core = _byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return tf.RobertaTokenizer(vocab=core.get_vocab(), merges=_merges(core, folder))


def bytelevel_gpt2(folder: Path) -> Any:
    core = _byte_level(["<|endoftext|>"])
    return tf.GPT2Tokenizer(vocab=core.get_vocab(), merges=_merges(core, folder))


def bytelevel_modernbert() -> Any:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    core = _byte_level(special)
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=core,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "attention_mask"],
    )


def _unigram(special: list[str]) -> list[tuple[str, float]]:
    core = Tokenizer(models.Unigram())
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.train_from_iterator(
        CORPUS,
        trainers.UnigramTrainer(vocab_size=200, special_tokens=special, unk_token=special[-1]),
    )
    pieces = [piece for piece in core.get_vocab() if piece not in special]
    return [(token, 0.0) for token in special] + [
        (piece, -2.0 - 1.0 / len(piece)) for piece in sorted(pieces)
    ]


def unigram_xlmr() -> Any:
    return tf.XLMRobertaTokenizer(
        vocab=[*_unigram(["<s>", "<pad>", "</s>", "<unk>"]), ("<mask>", 0.0)]
    )


def unigram_deberta() -> Any:
    vocab = [*_unigram(["[PAD]", "[CLS]", "[SEP]", "[UNK]"]), ("[MASK]", 0.0)]
    return tf.DebertaV2Tokenizer(vocab=vocab, unk_id=3)


def bpe_llama() -> Any:
    core = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    core.pre_tokenizer = pre_tokenizers.Metaspace(split=False)
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    core.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=420, special_tokens=special))
    return core


def _save(folder: Path, tokenizer: Any, config: Any, auto: str, **widths: Any) -> Path:
    """Saves a model of `config`'s kind whose weights are spread wide enough to disagree."""
    tokenizer.model_max_length = MAX_TOKENS
    torch.manual_seed(7)
    model = getattr(tf, auto).from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8) if parameter.ndim > 1 else parameter
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def renew(folder: Path) -> None:
    """Puts another revision of a model into its folder: other weights, renamed into place."""
    weights, new = folder / "model.safetensors", folder / "new"
    tensors = {name: torch.randn_like(tensor) / 4 for name, tensor in load_file(weights).items()}
    save_file(tensors, new, metadata={"format": "pt"})
    new.rename(weights)


def _labels(names: list[str]) -> dict[str, Any]:
    return {"id2label": dict(enumerate(names)), "label2id": {n: i for i, n in enumerate(names)}}


CLASSIFIER = "AutoModelForSequenceClassification"
MOODS = _labels(["negative", "neutral", "positive"])


def bert_classifier(folder: Path, **changes: Any) -> Path:
    tokenizer = wordpiece()
    given = MOODS | {"vocab_size": len(tokenizer)} | changes
    config = tf.BertConfig(**SMALL, **given)
    return _save(folder, tokenizer, config, CLASSIFIER)


def distilbert_classifier(folder: Path) -> Path:
    tokenizer = wordpiece()
    config = tf.DistilBertConfig(
        vocab_size=len(tokenizer), dim=16, n_layers=2, n_heads=2, hidden_dim=16, **MOODS
    )
    return _save(folder, tokenizer, config, CLASSIFIER)


def roberta_classifier(folder: Path) -> Path:
    tokenizer = bytelevel_roberta(folder.parent)
    config = tf.RobertaConfig(
        **SMALL,
        vocab_size=len(tokenizer),
        max_position_embeddings=MAX_TOKENS + 2,
        pad_token_id=1,
        **MOODS,
    )
    return _save(folder, tokenizer, config, CLASSIFIER)


def deberta_classifier(folder: Path) -> Path:
    tokenizer = unigram_deberta()
    config = tf.DebertaV2Config(
        **SMALL,
        vocab_size=len(tokenizer),
        type_vocab_size=0,
        relative_attention=True,
        position_buckets=8,
        norm_rel_ebd="layer_norm",
        share_att_key=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        pad_token_id=0,
        **MOODS,
    )
    return _save(folder, tokenizer, config, CLASSIFIER)


def modernbert_classifier(folder: Path) -> Path:
    tokenizer = bytelevel_modernbert()
    config = tf.ModernBertConfig(
        **SMALL,
        vocab_size=len(tokenizer),
        pad_token_id=0,
        cls_token_id=2,
        sep_token_id=3,
        bos_token_id=2,
        eos_token_id=3,
        local_attention=8,
        reference_compile=False,
        **MOODS,
    )
    return _save(folder, tokenizer, config, CLASSIFIER)


def multi_label_classifier(folder: Path) -> Path:
    return bert_classifier(folder, problem_type="multi_label_classification")


def one_label_classifier(folder: Path) -> Path:
    return bert_classifier(folder, **_labels(["toxic"]))


def nli(folder: Path) -> Path:
    return bert_classifier(folder, **_labels(NLI))


def bert_tagger(folder: Path) -> Path:
    tokenizer = wordpiece()
    config = tf.BertConfig(**SMALL, vocab_size=len(tokenizer), **_labels(TAGS))
    return _save(folder, tokenizer, config, "AutoModelForTokenClassification")


def xlmr_tagger(folder: Path) -> Path:
    tokenizer = unigram_xlmr()
    config = tf.XLMRobertaConfig(
        **SMALL,
        vocab_size=len(tokenizer),
        max_position_embeddings=MAX_TOKENS + 2,
        pad_token_id=1,
        **_labels(TAGS),
    )
    return _save(folder, tokenizer, config, "AutoModelForTokenClassification")


def bert_masked(folder: Path) -> Path:
    tokenizer = wordpiece()
    config = tf.BertConfig(**SMALL, vocab_size=len(tokenizer))
    return _save(folder, tokenizer, config, "AutoModelForMaskedLM")


def gpt2(folder: Path) -> Path:
    tokenizer = bytelevel_gpt2(folder.parent)
    end = tokenizer.eos_token_id
    config = tf.GPT2Config(
        vocab_size=len(tokenizer),
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=MAX_TOKENS,
        bos_token_id=end,
        eos_token_id=end,
    )
    return _save(folder, tokenizer, config, "AutoModelForCausalLM")


def llama(folder: Path, *, chat: bool = False, max_tokens: int = MAX_TOKENS) -> Path:
    core = bpe_llama()
    vocab = core.get_vocab()
    merges = _merges(core, folder.parent)
    tokenizer = tf.LlamaTokenizer(vocab=vocab, merges=merges)
    if chat:
        tokenizer.chat_template = CHAT
    config = tf.LlamaConfig(
        **SMALL,
        num_key_value_heads=2,
        vocab_size=len(tokenizer),
        max_position_embeddings=max_tokens,
        bos_token_id=1,
        eos_token_id=2,
    )
    made = _save(folder, tokenizer, config, "AutoModelForCausalLM")
    tokenizer.model_max_length = max_tokens
    tokenizer.save_pretrained(folder)
    return made


def llama_classifier(folder: Path, *, pad_token_id: int | None = 7) -> Path:
    """A decoder, which finds the last token by the padding id of its config."""
    core = bpe_llama()
    tokenizer = tf.LlamaTokenizer(vocab=core.get_vocab(), merges=_merges(core, folder.parent))
    tokenizer.pad_token = "</s>"  # not the one of the config
    config = tf.LlamaConfig(
        **SMALL,
        num_key_value_heads=2,
        vocab_size=len(tokenizer),
        max_position_embeddings=MAX_TOKENS,
        pad_token_id=pad_token_id,
        **MOODS,
    )
    return _save(folder, tokenizer, config, CLASSIFIER)


def llama_classifier_without_padding(folder: Path) -> Path:
    return llama_classifier(folder, pad_token_id=None)


def fnet_classifier(folder: Path) -> Path:
    """A model that takes no attention mask, so that padding would change its scores."""
    tokenizer = wordpiece()
    config = tf.FNetConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        intermediate_size=16,
        max_position_embeddings=MAX_TOKENS,
        tpu_short_seq_length=MAX_TOKENS,
        pad_token_id=0,
        **MOODS,
    )
    return _save(folder, tokenizer, config, CLASSIFIER)


MAKERS: dict[str, Callable[[Path], Path]] = {
    "BERT": bert_classifier,
    "DistilBERT": distilbert_classifier,
    "RoBERTa": roberta_classifier,
    "DeBERTa-v3": deberta_classifier,
    "ModernBERT": modernbert_classifier,
    "Llama classifier": llama_classifier,
    "Llama without padding": llama_classifier_without_padding,
    "FNet": fnet_classifier,
    "multi-label": multi_label_classifier,
    "one label": one_label_classifier,
    "NLI": nli,
    "BERT tagger": bert_tagger,
    "XLM-R tagger": xlmr_tagger,
    "BERT MLM": bert_masked,
    "GPT-2": gpt2,
    "Llama": llama,
}
