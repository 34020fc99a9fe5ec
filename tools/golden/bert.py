#!/usr/bin/env python3
"""What sentence-transformers and transformers compute: embeddings of a real model, and small random models of each family.

usage: bert.py minilm MODEL_DIR STS.tsv... OUT_DIR     all-MiniLM-L6-v2, its texts from tests/golden/embedding_texts.json
       bert.py random OUT_DIR                       bert, bge, e5, xlmr, roberta, distilbert with random weights

minilm/  embeddings.safetensors   f16 [texts, 384], of SentenceTransformer.encode in float32; lengths i32 [texts] in tokens
         hidden.safetensors       ids, offsets and hidden states f32 of a few texts, computed in float64
         expected.json            tolerance of the hidden states, Spearman correlation on the STS pairs, versions
random/NAME/  config.json and the other files of a folder as save_pretrained writes them, model.safetensors in float16
         expected.safetensors     ids, offsets, hidden (float64 sums, stored as f32), embeddings
         expected.json            tolerances

A tolerance is FACTOR x the largest difference of the same model in float32 to float64: what rounding does to the reference
itself. Needs torch 2.8, transformers 4.57.6, sentence-transformers 5.1.2, scipy.
"""
import json
import pathlib
import platform
import sys

import numpy as np
import torch
import transformers
from safetensors.numpy import save_file

FACTOR = 4
HIDDEN_TEXTS = [0, 40, 200, 600]
ROOT = pathlib.Path(__file__).resolve().parents[2]


def versions():
    import sentence_transformers

    return {"torch": torch.__version__, "transformers": transformers.__version__,
            "sentence-transformers": sentence_transformers.__version__, "numpy": np.__version__,
            "python": platform.python_version()}


def hidden_states(model, sequences):
    """One sequence at a time, so that nothing is padded: [tokens, width]."""
    with torch.no_grad():
        rows = [model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long)).last_hidden_state[0]
                for ids in sequences]
    return torch.cat(rows)


def exact_and_error(model, sequences):
    """Hidden states in float64 and how far float32 is from them."""
    single = hidden_states(model.float(), sequences).double()
    exact = hidden_states(model.double(), sequences)
    model.float()
    return exact, float((single - exact).abs().max())


def flat(sequences):
    ids = np.array([i for s in sequences for i in s], np.int32)
    offsets = np.cumsum([0] + [len(s) for s in sequences]).astype(np.int32)
    return ids, offsets


def spearman(encoder, path):
    """Of cosines and human scores; the table's columns are named in its first line."""
    from scipy.stats import spearmanr

    header, *rows = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n") if line]
    column = {name: header.index(name) for name in ("score_0_5", "sentence1", "sentence2")}
    scores = [float(r[column["score_0_5"]]) for r in rows]
    first, second = (encoder.encode([r[column[name]] for r in rows], batch_size=32) for name in ("sentence1", "sentence2"))
    cosines = (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    return {"pairs": len(rows), "spearman": float(spearmanr(scores, cosines).statistic)}


def minilm(model_dir, sts_paths, out):
    from sentence_transformers import SentenceTransformer

    out.mkdir(parents=True, exist_ok=True)
    texts = json.loads((ROOT / "tests/golden/embedding_texts.json").read_text(encoding="utf-8"))["texts"]
    encoder = SentenceTransformer(str(model_dir), device="cpu")
    sequences = encoder.tokenizer(texts, truncation=True, max_length=encoder.max_seq_length)["input_ids"]
    # One text a batch would be without padding; batches of equal lengths come near it, and what padding changes is rounding.
    embeddings = encoder.encode(texts, batch_size=16, convert_to_numpy=True)
    save_file({"embeddings": embeddings.astype(np.float16), "lengths": np.array([len(s) for s in sequences], np.int32)},
              out / "embeddings.safetensors")

    chosen = [sequences[i] for i in HIDDEN_TEXTS]
    exact, error = exact_and_error(encoder[0].auto_model, chosen)
    ids, offsets = flat(chosen)
    save_file({"ids": ids, "offsets": offsets, "hidden": exact.float().numpy()}, out / "hidden.safetensors")

    expected = {"texts": len(texts), "max_tokens": encoder.max_seq_length, "hidden_texts": HIDDEN_TEXTS,
                "hidden_float32_error": error, "hidden_tolerance": FACTOR * error, "versions": versions(),
                "sts_spearman": {path.name: spearman(encoder, path) for path in sts_paths}}
    (out / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    print(expected)


def lively(model, generator):
    """Random weights, each a float16 number: near unit gain in the matrices, norms near 1, biases that matter."""
    state = {}
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            state[name] = tensor
            continue
        values = torch.randn(tensor.shape, generator=generator)
        if name.endswith(".bias"):
            values *= 0.2
        elif "LayerNorm" in name or "layer_norm" in name:
            values = 1 + 0.3 * values
        elif "embeddings" not in name:
            values *= 1.5 / tensor.shape[-1] ** 0.5
        state[name] = values.half().float()
    model.load_state_dict(state)


def configurations():
    from transformers import (BertConfig, BertForMaskedLM, BertModel, DistilBertConfig, DistilBertModel, RobertaConfig,
                              RobertaForMaskedLM, XLMRobertaConfig, XLMRobertaModel)

    sizes = {"vocab_size": 61, "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3, "intermediate_size": 80,
             "max_position_embeddings": 40}
    roberta = {"max_position_embeddings": 42, "type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1}
    return {
        "bert": (BertModel, BertConfig(**sizes), {"pooling": "mean", "normalize": True}),
        # Another shape, the names of a model with a head, pooling by the first token.
        "bge": (BertForMaskedLM, BertConfig(**{**sizes, "hidden_size": 64, "num_attention_heads": 2, "num_hidden_layers": 3}),
                {"pooling": "cls", "normalize": True}),
        "e5": (BertModel, BertConfig(**{**sizes, "num_hidden_layers": 1, "layer_norm_eps": 1e-12}),
               {"pooling": "mean", "normalize": True}),
        "xlmr": (XLMRobertaModel, XLMRobertaConfig(**{**sizes, **roberta}), {"pooling": "mean", "normalize": False}),
        "roberta": (RobertaForMaskedLM, RobertaConfig(**{**sizes, **roberta, "num_hidden_layers": 1}),
                    {"pooling": "lasttoken", "normalize": True}),
        "distilbert": (DistilBertModel, DistilBertConfig(vocab_size=61, dim=48, n_layers=2, n_heads=3, hidden_dim=80,
                                                         max_position_embeddings=40), {"pooling": "mean", "normalize": True}),
    }


def write_modules(folder, settings, width):
    """The files that sentence-transformers adds to a model's folder."""
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
               {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]
    if settings["normalize"]:
        modules.append({"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"})
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    modes = {"mean": "mean_tokens", "cls": "cls_token", "lasttoken": "lasttoken"}
    pooling = {"word_embedding_dimension": width}
    for mode in ["cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens", "weightedmean_tokens", "lasttoken"]:
        pooling["pooling_mode_" + mode] = mode == modes[settings["pooling"]]
    (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))


def pooled(hidden, offsets, settings):
    rows = []
    for begin, end in zip(offsets[:-1], offsets[1:]):
        part = hidden[begin:end]
        row = {"mean": part.mean(0), "cls": part[0], "lasttoken": part[-1]}[settings["pooling"]]
        rows.append(row / row.norm() if settings["normalize"] else row)
    return torch.stack(rows)


def random_models(out):
    generator = torch.Generator().manual_seed(20251121)
    for name, (kind, config, settings) in configurations().items():
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        model = kind(config).eval()
        lively(model, generator)
        model.half().save_pretrained(folder, safe_serialization=True)
        model.float()
        base = getattr(model, model.base_model_prefix, model) if kind.__name__.endswith("MaskedLM") else model
        special = 2 if "roberta" in config.model_type else 0
        lengths = [5, 1, 17, 33, 2]
        sequences = [torch.randint(3, config.vocab_size, (n,), generator=generator).tolist() for n in lengths]
        assert special == 0 or all(1 not in s for s in sequences)  # RoBERTa counts positions of what is no padding
        exact, error = exact_and_error(base, sequences)
        ids, offsets = flat(sequences)
        save_file({"ids": ids, "offsets": offsets, "hidden": exact.float().numpy(),
                   "embeddings": pooled(exact, offsets, settings).float().numpy()}, folder / "expected.safetensors")
        write_modules(folder, settings, exact.shape[1])
        expected = {"hidden_float32_error": error, "hidden_tolerance": FACTOR * error, **settings}
        (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
        print(name, expected)


if __name__ == "__main__":
    torch.set_num_threads(2)
    if sys.argv[1] == "minilm":
        minilm(pathlib.Path(sys.argv[2]), [pathlib.Path(p) for p in sys.argv[3:-1]], pathlib.Path(sys.argv[-1]))
    else:
        random_models(pathlib.Path(sys.argv[2]))
