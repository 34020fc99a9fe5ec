#!/usr/bin/env python3
"""An ONNX file with a tensor of every element type in every kind of storage, and their bytes as the onnx package reads them.

Writes OUT/types.onnx, OUT/types.bin (external data) and OUT/types.json ({"tensors": {name: {type, shape, hex}}, ...}).
Made with onnx 1.23.2, numpy 2.4.6. Usage: onnx_reader.py OUT
"""
import json
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

INTEGERS = ["UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "UINT32", "UINT64", "UINT4", "INT4"]
FLOATS = ["FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE", "FLOAT8E4M3FN", "FLOAT8E5M2", "COMPLEX64", "COMPLEX128"]


def elements(name, count):
    if name == "BOOL":
        return [i % 3 == 0 for i in range(count)]
    if name in INTEGERS:
        signed = not name.startswith("U")
        bits = int(name.lstrip("UINT"))
        low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
        return ([low, high, 1, 0, high // 2] * count)[:count]
    values = ([0.5, -1.5, 0.0, 2.0, -4.0] * count)[:count]
    return [complex(v, 1) for v in values] if name.startswith("COMPLEX") else values


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    tensors, expected = [], {}
    for name in ["BOOL"] + INTEGERS + FLOATS:
        kind = getattr(TensorProto, name)
        for shape in ([5], [2, 3], [], [0, 4]):
            count = int(np.prod(shape))
            typed = helper.make_tensor(f"{name}_{'x'.join(map(str, shape))}", kind, shape, elements(name, count))
            array = numpy_helper.to_array(typed)
            raw = numpy_helper.from_array(array, typed.name + "_raw")
            hexed = raw.raw_data.hex()
            for tensor in (typed, raw):
                assert tensor.data_type == kind
                tensors.append(tensor)
                expected[tensor.name] = {"type": name.lower(), "shape": shape, "hex": hexed}
    data = b"0123456789" + np.arange(6, dtype=np.float32).tobytes()
    for name, fields in (("external", {"offset": "10", "length": "24"}), ("external_to_end", {"offset": "10"})):
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[2, 3], data_location=TensorProto.EXTERNAL)
        for key, value in {"location": "types.bin", **fields}.items():
            tensor.external_data.add(key=key, value=value)
        tensors.append(tensor)
        expected[name] = {"type": "float", "shape": [2, 3], "hex": data[10:].hex()}
    text = helper.make_tensor("text", TensorProto.STRING, [2], [b"a", b"bc"])
    tensors.append(text)
    expected["text"] = {"type": "string", "shape": [2], "hex": ""}

    then = helper.make_graph([helper.make_node("Identity", ["outer"], ["t"], name="inner")], "then", [],
                             [helper.make_tensor_value_info("t", TensorProto.FLOAT, None)])
    nodes = [
        helper.make_node("If", ["condition"], ["y"], name="branch", then_branch=then, else_branch=then),
        helper.make_node("Custom", ["x", "", "y"], ["z"], name="custom", domain="com.example", f=0.25, i=-7, s="text",
                         floats=[1.0, -2.0], ints=[3, -4], strings=["p", "q"],
                         t=helper.make_tensor("attribute", TensorProto.INT64, [2], [5, -6])),
    ]
    graph = helper.make_graph(
        nodes, "every kind", [helper.make_tensor_value_info("x", TensorProto.FLOAT16, ["batch", None, 7]),
                              helper.make_tensor_value_info("condition", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)], tensors)
    model = helper.make_model(graph, producer_name="golden", producer_version="1.0", ir_version=10,
                              opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("com.example", 3)])
    helper.set_model_props(model, {"key": "value"})
    (out / "types.onnx").write_bytes(model.SerializeToString())
    (out / "types.bin").write_bytes(data)
    (out / "types.json").write_text(json.dumps({"onnx": onnx.__version__, "tensors": expected}) + "\n")


if __name__ == "__main__":
    main()
