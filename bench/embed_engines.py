#!/usr/bin/env python3
"""The peers of compare_embed.py, each a child process that answers the commands of pipelines_embed_bench.cc.

usage: embed_engines.py export MODEL_FOLDER OUT_FOLDER              (in .deps/venv-bench-export)
       embed_engines.py openvino|onnxruntime FOLDER bf16|f32 THREADS    (in .deps/venv-bench)

onnxruntime works as fastembed does: the tokenizers library, batches of 256 texts in the order they come, padded to the longest of the
batch, mean of the tokens, length 1. openvino gets batches of 32 texts sorted by length, as sentence-transformers gives them.
"""
import json
import pathlib
import sys
import time

MAX_TOKENS = 256


def export(model_folder, out):
    import openvino
    import torch
    from transformers import AutoModel

    class Encoder(torch.nn.Module):
        def __init__(self, attention):
            super().__init__()
            self.model = AutoModel.from_pretrained(model_folder, attn_implementation=attention).eval()

        def forward(self, input_ids, attention_mask, token_type_ids):
            return self.model(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).last_hidden_state

    ids = torch.ones(2, 16, dtype=torch.int64)
    example = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)}
    names = list(example)
    axes = {name: {0: "batch", 1: "tokens"} for name in [*names, "last_hidden_state"]}
    with torch.no_grad():
        torch.onnx.export(Encoder("eager"), tuple(example.values()), str(out / "model.onnx"), input_names=names,
                          output_names=["last_hidden_state"], dynamic_axes=axes, opset_version=17, dynamo=False)
        openvino.save_model(openvino.convert_model(Encoder("sdpa"), example_input=example), out / "openvino_model.xml",
                            compress_to_fp16=False)
    (out / "tokenizer.json").write_bytes((pathlib.Path(model_folder) / "tokenizer.json").read_bytes())


class OpenVino:
    batch = 32
    sort = True

    def __init__(self, folder, precision, threads):
        import openvino
        core = openvino.Core()
        options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        self.request = core.compile_model(core.read_model(folder / "openvino_model.xml"), "CPU", options).create_infer_request()
        self.about = f"openvino {openvino.__version__}"

    def run(self, ids, mask):
        import numpy as np
        self.request.infer({0: ids, 1: mask, 2: np.zeros_like(ids)}, share_inputs=True)
        return self.request.get_output_tensor(0).data


class OnnxRuntime:
    batch = 256
    sort = False

    def __init__(self, folder, precision, threads):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.about = f"onnxruntime {onnxruntime.__version__}"

    def run(self, ids, mask):
        import numpy as np
        return self.session.run(None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})[0]


class Pipeline:
    def __init__(self, engine, folder):
        import numpy as np
        import tokenizers
        self.np = np
        self.engine = engine
        self.tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.enable_padding()

    def embed(self, texts):
        np = self.np
        encoded = self.tokenizer.encode_batch(texts)
        ids = np.array([e.ids for e in encoded], np.int64)
        mask = np.array([e.attention_mask for e in encoded], np.int64)
        hidden = self.engine.run(ids, mask)
        weights = mask[..., None].astype(np.float32)
        vectors = (hidden * weights).sum(1) / np.maximum(weights.sum(1), 1e-9)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)

    def embed_all(self, texts):
        np = self.np
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i])) if self.engine.sort else list(range(len(texts)))
        vectors = None
        for begin in range(0, len(order), self.engine.batch):
            some = order[begin:begin + self.engine.batch]
            part = self.embed([texts[i] for i in some])
            if vectors is None:
                vectors = np.empty((len(texts), part.shape[1]), np.float32)
            vectors[some] = part
        return vectors

    def shape(self, texts, tokens):
        """The model alone, on ids that are there already."""
        np = self.np
        ids = np.full((texts, tokens), 1996, np.int64)
        ids[:, 0] = 101
        ids[:, -1] = 102
        mask = np.ones_like(ids)
        best, begin, runs = float("inf"), time.perf_counter(), 0
        while runs < 8 or time.perf_counter() - begin < 0.5:
            start = time.perf_counter()
            self.engine.run(ids, mask)
            if runs > 0:
                best = min(best, time.perf_counter() - start)
            runs += 1
        return best * 1e3


def serve(pipeline):
    for line in sys.stdin:
        command, *arguments = line.split()
        if command == "shape":
            answer = {"ms": pipeline.shape(*map(int, arguments))}
        elif command in ("corpus", "vectors"):
            texts = pathlib.Path(arguments[0]).read_text(encoding="utf-8").splitlines()
            start = time.perf_counter()
            vectors = pipeline.embed_all(texts)
            answer = {"seconds": time.perf_counter() - start}
            if command == "vectors":
                vectors.astype("<f4").tofile(arguments[1])
        else:
            status = pathlib.Path("/proc/self/status").read_text()
            answer = {"megabytes": int(status.split("VmHWM:")[1].split()[0]) / 1e3}
        print(json.dumps(answer), flush=True)


def main():
    if sys.argv[1] == "export":
        export(sys.argv[2], pathlib.Path(sys.argv[3]))
        return
    kind, folder, precision, threads = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    engine = (OpenVino if kind == "openvino" else OnnxRuntime)(folder, precision, threads)
    pipeline = Pipeline(engine, folder)
    print(json.dumps({"engine": engine.about}), flush=True)
    serve(pipeline)


if __name__ == "__main__":
    main()
