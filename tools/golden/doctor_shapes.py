#!/usr/bin/env python3
"""What the onnx package infers, for the doctor's shape inference.

OUT/graphs.json: for each model of tests/golden/onnx, the fixed dimensions of its values by onnx.shape_inference (strict,
data_prop). OUT/nodes.json: the first two test cases of each operator of onnx.backend.test that has one, without the types of
their outputs; small integer inputs (shapes, axes) become initializers.
Made with onnx 1.23.2, numpy 2.4.6. Usage: doctor_shapes.py OUT
"""
import base64
import collections
import json
import pathlib
import sys
import warnings

import onnx
from onnx import numpy_helper, shape_inference
from onnx.backend.test.case.node import collect_testcases

GOLDEN = pathlib.Path(__file__).resolve().parent.parent.parent / "tests/golden/onnx"
MAX_BYTES = 3000
# Operators that the doctor has no rule for, or whose results have sizes that only running them tells.
LEFT_OUT = {"Adagrad", "Adam", "AffineGrid", "ArrayFeatureExtractor", "Binarizer", "BitCast", "CausalConvWithState", "CenterCropPad",
            "Col2Im", "Compress", "CumProd", "DFT", "DeformConv", "Det", "FlexAttention", "If", "ImageDecoder", "LabelEncoder",
            "LinearAttention", "Loop", "MaxUnpool", "MelWeightMatrix", "Momentum", "NegativeLogLikelihoodLoss",
            "NonMaxSuppression", "NonZero", "OptionalGetElement", "OptionalHasElement", "RegexFullMatch", "RoiAlign", "STFT",
            "Scan", "SoftmaxCrossEntropyLoss", "StringConcat", "StringNormalizer", "StringSplit", "SwiGLU", "TfIdfVectorizer",
            "TreeEnsemble", "Unique", "Attention"}


def fixed_dims(kind):
    return [d.dim_value if d.HasField("dim_value") else -1 for d in kind.shape.dim]


def graphs():
    found = {}
    for path in sorted(GOLDEN.glob("*.onnx")):
        try:
            model = shape_inference.infer_shapes(onnx.load(path), strict_mode=True, data_prop=True)
        except (shape_inference.InferenceError, onnx.checker.ValidationError, FileNotFoundError):
            continue  # the reader's own test cases are no models
        made = {name for node in model.graph.node for name in node.output}
        found[path.name] = {v.name: [v.type.tensor_type.elem_type, fixed_dims(v.type.tensor_type)]
                            for v in [*model.graph.value_info, *model.graph.output]
                            if v.name in made and v.type.tensor_type.HasField("shape")}
    return found


def nodes():
    cases, taken = [], collections.Counter()
    for case in sorted(collect_testcases(None), key=lambda c: c.name):
        model, op = case.model, case.model.graph.node[-1].op_type
        outputs = {o.name: o.type.tensor_type for o in model.graph.output if o.type.HasField("tensor_type")}
        if model.functions or len(outputs) != len(model.graph.output) or taken[op] == 2 or op in LEFT_OUT:
            continue
        if "not_larger" in case.name or "not_smaller" in case.name:
            continue
        small = {7, 6, 9} | ({1} if op in ("Resize", "Upsample") else set())
        for index, value in enumerate(model.graph.input):
            data = case.data_sets[0][0] if case.data_sets else []
            if index < len(data) and value.type.tensor_type.elem_type in small and data[index].size <= 64:
                model.graph.initializer.append(numpy_helper.from_array(data[index], value.name))
        for output in model.graph.output:
            output.ClearField("type")
        raw = model.SerializeToString()
        if len(raw) > MAX_BYTES:
            continue
        taken[op] += 1
        cases.append({"name": case.name, "op": op, "model": base64.b64encode(raw).decode(),
                      "outputs": {n: [t.elem_type, fixed_dims(t)] for n, t in outputs.items()}})
    return cases


def main():
    warnings.filterwarnings("ignore")
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for name, content in (("graphs", graphs()), ("nodes", nodes())):
        (out / f"{name}.json").write_text(json.dumps(content, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
