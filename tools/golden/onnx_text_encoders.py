#!/usr/bin/env python3
"""Tiny random text encoders as ONNX files of many exporters, and what ONNX Runtime computes with them.

Writes OUT/NAME.onnx and OUT/text_encoders.json: {"versions", "models": {NAME: {"texts": [[id, ...], ...], "width", "hidden":
[[f32 as hex of a text's rows], ...]}}, "refused": {NAME: part of the message}}. Each text is run alone, its mask all ones.
Made with torch 2.8.0, transformers 4.57.6, onnx 1.23.2, onnxruntime 1.31.1, onnxscript 0.7.2. Usage: onnx_text_encoders.py OUT
Run again with transformers 5 (5.23.0), it adds the models *_transformers5, whose masks are written in another way.
"""
import json
import pathlib
import sys
import warnings

import numpy as np
import onnx
import onnxruntime as ort
import onnxscript
import torch
import transformers
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions

VOCAB, WIDTH, HEADS, MLP, LAYERS, POSITIONS = 32, 32, 2, 16, 2, 16
TEXTS = [[2, 7, 31, 3], [2, 3], [2] + list(range(5, 15)) + [3]]
SIZES = dict(vocab_size=VOCAB, hidden_size=WIDTH, num_attention_heads=HEADS, intermediate_size=MLP, num_hidden_layers=LAYERS,
             max_position_embeddings=POSITIONS, attention_probs_dropout_prob=0.0, hidden_dropout_prob=0.0)


def make(kind, attention, **changes):
    torch.manual_seed(5)
    if kind == "bert":
        config = transformers.BertConfig(**{**SIZES, **changes})
        model = transformers.BertModel._from_config(config, attn_implementation=attention, add_pooling_layer=False)
    elif kind == "xlmr":
        config = transformers.XLMRobertaConfig(**{**SIZES, "pad_token_id": 1, "type_vocab_size": 1, **changes})
        model = transformers.XLMRobertaModel._from_config(config, attn_implementation=attention, add_pooling_layer=False)
    elif kind == "distilbert":
        config = transformers.DistilBertConfig(vocab_size=VOCAB, dim=WIDTH, n_heads=HEADS, hidden_dim=MLP, n_layers=LAYERS,
                                               max_position_embeddings=POSITIONS)
        model = transformers.DistilBertModel._from_config(config, attn_implementation=attention)
    with torch.no_grad():  # the initial weights are too small to tell a wrong layer
        for name, weight in model.named_parameters():
            weight.copy_(torch.randn_like(weight) * (0.4 if weight.ndim > 1 else 0.3) + ("LayerNorm.weight" in name))
    return model.eval()


class Tokens(torch.nn.Module):
    """The encoder alone."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask, *token_type_ids):
        types = {"token_type_ids": token_type_ids[0]} if token_type_ids else {}
        return self.model(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state


class Pooled(Tokens):
    """With sentence-transformers' pooling, as its own exports have it."""

    def __init__(self, model, pooling, tokens_too):
        super().__init__(model)
        self.pooling, self.tokens_too = pooling, tokens_too

    def forward(self, input_ids, attention_mask, *token_type_ids):
        tokens = super().forward(input_ids, attention_mask, *token_type_ids)
        if self.pooling == "cls":
            pooled = tokens[:, 0]
        else:
            mask = attention_mask.unsqueeze(-1).expand(tokens.size()).to(tokens.dtype)
            pooled = torch.sum(tokens * mask, 1) / torch.clamp(mask.sum(1), min=1e-9)
        pooled = torch.nn.functional.normalize(pooled, p=2, dim=1)
        return (tokens, pooled) if self.tokens_too else pooled


def export(path, module, opset, types=True, outputs=("last_hidden_state",), dynamic=True, dynamo=False, **options):
    names = ["input_ids", "attention_mask"] + (["token_type_ids"] if types else [])
    module.eval()
    ids = torch.tensor([TEXTS[0] + [3, 3], TEXTS[0] + [1, 1]])
    inputs = (ids, (ids > 1).long()) + ((torch.zeros_like(ids),) if types else ())
    options |= dict(input_names=names, output_names=list(outputs), opset_version=opset)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if dynamo:
            axes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
            shapes = (axes, axes) + (((axes,),) if types else ((),))
            torch.onnx.export(module, inputs, str(path), dynamo=True, dynamic_shapes=shapes, external_data=False, **options)
        else:
            axes = {n: {0: "batch", 1: "sequence"} for n in names + list(outputs)} if dynamic else None
            torch.onnx.export(module, inputs, str(path), dynamo=False, dynamic_axes=axes, **options)
    strip(path)


def strip(path):
    """Stack traces and long names make files large."""
    model = onnx.load(str(path))
    short = {v.name: v.name for v in list(model.graph.input) + list(model.graph.output)}
    for tensor in model.graph.initializer:
        tensor.name = short.setdefault(tensor.name, f"w{len(short)}")
    for i, node in enumerate(model.graph.node):
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
        node.name = f"n{i}"
        node.output[:] = [short.setdefault(name, f"v{len(short)}") if name else "" for name in node.output]
    for node in model.graph.node:
        node.input[:] = [short[name] if name else "" for name in node.input]
    for value in list(model.graph.input) + list(model.graph.output):
        value.ClearField("metadata_props")
    model.graph.ClearField("value_info")
    path.write_bytes(model.SerializeToString())


def optimise(source, path, half=False, multi_head=False, **disabled):
    options = FusionOptions("bert")
    options.use_multi_head_attention = multi_head
    for name, value in disabled.items():
        setattr(options, name, value)
    model = optimizer.optimize_model(str(source), "bert", num_heads=HEADS, hidden_size=WIDTH, opt_level=0,
                                     optimization_options=options)
    if half:
        model.convert_float_to_float16(keep_io_types=True)
    model.save_model_to_file(str(path))
    strip(path)


def bfloat16_weights(source, path):
    """Weights as bfloat16 with a cast to float behind each: ONNX Runtime has no bfloat16 kernels on a CPU."""
    model = onnx.load(str(source))
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) == 2:
            array = torch.from_numpy(numpy_helper.to_array(tensor).copy()).bfloat16()
            name = tensor.name
            tensor.CopyFrom(TensorProto(name=name + "_bf16", data_type=TensorProto.BFLOAT16, dims=array.shape,
                                        raw_data=array.view(torch.int16).numpy().tobytes()))
            casts.append(helper.make_node("Cast", [name + "_bf16"], [name], to=TensorProto.FLOAT))
    nodes = casts + list(model.graph.node)
    model.graph.ClearField("node")
    model.graph.node.extend(nodes)
    path.write_bytes(model.SerializeToString())


def run(path, source=None):
    """Hidden states of each text; of `source` where the file itself gives pooled ones."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(source or path), options, providers=["CPUExecutionProvider"])
    hidden = []
    for text in TEXTS:
        ids = np.array([text])
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        feeds = {i.name: feeds[i.name].astype(np.int32 if i.type == "tensor(int32)" else np.int64) for i in session.get_inputs()}
        (rows,) = session.run([session.get_outputs()[0].name], feeds)
        assert rows.shape == (1, len(text), WIDTH) and np.isfinite(rows).all(), rows.shape
        hidden.append(rows[0].astype(np.float32).tobytes().hex())
    return hidden


def golden_of(path, source=None):
    return {"texts": TEXTS, "width": WIDTH, "hidden": run(path, source)}


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    models, refused, sources = [], {}, {}

    def add(name, module, opset, **options):
        export(out / f"{name}.onnx", module, opset, **options)
        models.append(name)
        return out / f"{name}.onnx"

    if int(transformers.__version__.split(".")[0]) >= 5:
        add("bert_transformers5", Tokens(make("bert", "sdpa")), 17)
        add("xlmr_transformers5", Tokens(make("xlmr", "eager")), 14, types=False)
        golden = json.loads((out / "text_encoders.json").read_text())
        golden["versions"]["transformers5"] = transformers.__version__
        golden["models"] |= {name: golden_of(out / f"{name}.onnx") for name in models}
        (out / "text_encoders.json").write_text(json.dumps(golden) + "\n")
        return

    eager, sdpa = make("bert", "eager"), make("bert", "sdpa")
    add("bert_eager_11", Tokens(eager), 11)
    unfolded = add("bert_sdpa_14_unfolded", Tokens(sdpa), 14, do_constant_folding=False)
    bert = add("bert_sdpa_17", Tokens(sdpa), 17)
    bert_eager = add("bert_eager_14", Tokens(eager), 14)
    add("bert_sdpa_18_dynamo", Tokens(sdpa), 18, dynamo=True)
    add("xlmr_eager_11", Tokens(make("xlmr", "eager")), 11, types=False)
    add("xlmr_sdpa_17", Tokens(make("xlmr", "sdpa")), 17, types=False)
    add("distilbert_eager_14", Tokens(make("distilbert", "eager")), 14, types=False)
    add("distilbert_sdpa_17", Tokens(make("distilbert", "sdpa")), 17, types=False)
    add("sentence_tokens", Pooled(sdpa, "mean", True), 17, outputs=("token_embeddings", "sentence_embedding"))
    for pooling in ("mean", "cls"):
        sources[f"sentence_{pooling}"] = bert
        add(f"sentence_{pooling}", Pooled(sdpa, pooling, False), 17, outputs=("sentence_embedding",))

    def optimised(name, source, **options):
        optimise(source, out / f"{name}.onnx", **options)
        models.append(name)

    optimised("ort_attention", bert_eager)
    optimised("ort_multi_head", bert_eager, multi_head=True)
    optimised("ort_f16", bert_eager, half=True)
    optimised("ort_no_attention", bert_eager, enable_attention=False, enable_embed_layer_norm=False)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(out / "ort_session.onnx")
    ort.InferenceSession(str(bert), options, providers=["CPUExecutionProvider"])
    strip(out / "ort_session.onnx")
    models.append("ort_session")
    bfloat16_weights(bert, out / "bert_bf16.onnx")
    models.append("bert_bf16")

    export(out / "refused_tanh.onnx", Tokens(make("bert", "sdpa", hidden_act="gelu_new", num_hidden_layers=1)), 17)
    refused["refused_tanh"] = "tanh"
    quantize_dynamic(str(bert), str(out / "refused_int8.onnx"))
    refused["refused_int8"] = "quantised"
    export(out / "refused_fixed.onnx", Tokens(make("bert", "sdpa", num_hidden_layers=1)), 17, dynamic=False)
    refused["refused_fixed"] = "sequence length"

    versions = {m.__name__: m.__version__ for m in (torch, transformers, onnx, ort, onnxscript)}
    golden = {name: golden_of(out / f"{name}.onnx", sources.get(name)) for name in models}
    (out / "text_encoders.json").write_text(json.dumps({"versions": versions, "models": golden, "refused": refused}) + "\n")


if __name__ == "__main__":
    main()
