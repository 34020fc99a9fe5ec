#!/usr/bin/env python3
"""Makes src/doctor/op_database.bin: which single operators NPU compilers take, by type, rank, constness and attributes.

Sources, each with its date in the file:
  qnn, openvino   rules of the PyPI package winml-cli (MIT, Microsoft): measured on hardware
  qnn-compiler, intel-compiler
                  answers of the vendors' compilers to sampled single-operator models, as JSON lines beside a folder of
                  these models (tools/npu_op_cases.py makes both)

Operators between DequantizeLinear and QuantizeLinear are tables of their own, named "qdq:OPERATOR".

Needs pyarrow and onnx (a throw-away venv). Made with winml-cli 0.4.0, pyarrow 22.0, onnx 1.18.
Usage: distill_op_database.py WHEEL OUT [--answers SOURCE FILE.jsonl FOLDER DATE]... [--keep OLD.bin]
  --keep: tables of answers that an earlier file has stay, where no new answer tells of the same features
"""
import argparse
import collections
import io
import json
import pathlib
import re
import zipfile
import zlib

import onnx
import pyarrow.parquet

NOTHING, ELSEWHERE, COMPILES, MIXED = range(4)
PROVIDERS = {"QNNExecutionProvider_NPU": "qnn", "OpenVINOExecutionProvider_NPU": "openvino"}
MAX_FEATURES = 24


def schema_of(op, version):
    for domain in ("", "com.microsoft"):
        try:
            return onnx.defs.get_schema(op, version, domain)
        except onnx.defs.SchemaError:
            pass
    return None


def default_of(schema, name):
    attribute = schema.attributes.get(name)
    if attribute is None:
        return "none"
    value = attribute.default_value
    if value.type == onnx.AttributeProto.INT:
        return str(value.i)
    if value.type == onnx.AttributeProto.STRING:
        return value.s.decode()
    return "none"


def plain_attribute(schema, name):
    kind = schema.attributes[name].type if name in schema.attributes else None
    return kind in (onnx.defs.OpSchema.AttrType.INT, onnx.defs.OpSchema.AttrType.STRING)


def type_feature(schema, variable):
    for index, formal in enumerate(schema.inputs):
        if formal.type_str == variable:
            return f"t{index}"
    for index, formal in enumerate(schema.outputs):
        if formal.type_str == variable:
            return f"o{index}"
    return None


def column_features(op, schema, columns):
    """Column -> (feature code, conversion of its JSON value)."""
    names, outputs = [f.name for f in schema.inputs], [f.name for f in schema.outputs]
    quantized = any(c.startswith("QDQ_") for c in columns)
    flag = lambda v: str(int(bool(v)))
    found = {}
    for column in columns:
        if column.endswith("_" + op) and type_feature(schema, column[: -len(op) - 1]):
            found[column] = (type_feature(schema, column[: -len(op) - 1]), str)
        elif column == "attr_to":
            found[column] = ("o0", lambda v: v if isinstance(v, str) else onnx.TensorProto.DataType.Name(int(v)))
        elif column in ("x_broadcasting_to_y", "y_broadcasting_to_x") and len(names) == 2:
            found[column] = ("b01" if column[0] == "x" else "b10", flag)
        elif column in ("attr_axis_is_zero", "attr_axis_is_one"):
            found[column] = (f"q:axis:{default_of(schema, 'axis')}:{int(column.endswith('one'))}", flag)
        elif column in ("axis_is_last", "last_axis", "is_last_axis"):
            found[column] = (f"l:axis:{default_of(schema, 'axis')}", flag)
        elif column in ("axis_eq_zero", "first_axis", "is_first_axis"):
            found[column] = (f"f:axis:{default_of(schema, 'axis')}", flag)
        elif column.startswith("QDQ_") and column[4:] in names:
            found[column] = (f"u{names.index(column[4:])}", lambda v: v or "none")
        elif column.startswith("QDQ_") and column[4:] in outputs:
            found[column] = (f"v{outputs.index(column[4:])}", lambda v: v or "none")
        elif column == "num_inputs":
            found[column] = ("n", str)
        elif column == "output_dim":
            found[column] = ("D0", str)
        elif column.startswith("attr_") and plain_attribute(schema, column[5:]) and column[5:] != "axis":
            default = default_of(schema, column[5:])
            found[column] = (f"a:{column[5:]}:{default}", lambda v, d=default: d if v is None else str(v))
        else:
            for suffix, code in (("_dim", "d"), ("_is_constant", "k" if quantized else "c"), ("_is_single_element", "s")):
                if column.endswith(suffix) and column[: -len(suffix)] in names:
                    found[column] = (f"{code}{names.index(column[: -len(suffix)])}", str if code == "d" else flag)
    return found


def is_dynamic(axes):
    axes = axes.get("v") if isinstance(axes, dict) else axes
    return any(map(is_dynamic, axes)) if isinstance(axes, list) else axes is not None


def aggregate(outcomes):
    return outcomes.pop() if len(outcomes) == 1 else MIXED


def winml_tables(wheel):
    archive = zipfile.ZipFile(wheel)
    date = max(i.date_time[:3] for i in archive.infolist())
    tables = []
    pattern = re.compile(r"runtime_check_rules/(\w+_NPU)/(\w+?)_\1_(ai\.onnx|com\.microsoft)_opset(\d+)(_qdq)?\.parquet$")
    for name in sorted(archive.namelist()):
        match = pattern.search(name)
        if not match or match[1] not in PROVIDERS or match[2].endswith("Pattern"):
            continue
        op, version = match[2], int(match[4])
        schema = schema_of(op, version)
        if schema is None:
            continue
        table = pyarrow.parquet.read_table(io.BytesIO(archive.read(name)))
        columns = {c: [None if v is None else json.loads(v).get("v") for v in table.column(c).to_pylist()]
                   for c in table.schema.names if c != "compile_run_success"}
        features = column_features(op, schema, columns)
        absent = {f.name: columns[f.name + "_is_none"] for f in schema.inputs if f.name + "_is_none" in columns}
        names = [f.name for f in schema.inputs]
        rows = collections.defaultdict(set)
        for row, (compiled, ran) in enumerate(table.column("compile_run_success").to_pylist()):
            if any(is_dynamic(columns[c][row]) for c in columns if c.endswith("_dynamic_axes")):
                continue  # judged by a rule
            key = {}
            for column, (code, convert) in features.items():
                value = columns[column][row]
                if code[0] in "cdks" and code[1:].isdigit() and absent.get(names[int(code[1:])], {row: False})[row]:
                    key[code] = "n" if code[0] in "ck" else "none"
                elif value is None and not code.startswith("a:") and code[0] not in "uv":
                    key[code] = "none"
                else:
                    key[code] = convert(value)
            rows[tuple(sorted(key.items()))].add(COMPILES if compiled else ELSEWHERE if ran else NOTHING)
        domain = "" if match[3] == "ai.onnx" else match[3] + "."
        tables.append((PROVIDERS[match[1]], ("qdq:" if match[5] else "") + domain + op, version, {k: aggregate(v) for k, v in rows.items()}))
    # Scalars and others that did not even run on the CPU: the measurement failed there, not the device.
    for source, _, _, rows in tables:
        for key in [k for k, outcome in rows.items() if source == "openvino" and outcome == NOTHING]:
            del rows[key]
    # Of quantized units only what compiled: the compiler of today takes many that this one refused, and none less.
    for source, op, _, rows in tables:
        for key in [k for k, outcome in rows.items() if op.startswith("qdq:") and outcome != COMPILES]:
            del rows[key]
    tables = [t for t in tables if t[3]]
    return drop_artifacts(tables), "-".join(f"{d:02}" for d in date)


def drop_artifacts(tables):
    """A version of an operator of which nothing compiles while all others do was measured by a run that failed as a whole."""
    best = collections.Counter()
    for source, op, _, rows in tables:
        best[source, op] = max(best[source, op], sum(o == COMPILES for o in rows.values()))
    return [t for t in tables if best[t[0], t[1]] == 0 or any(o == COMPILES for o in t[3].values())]


def shape_and_type(value):
    tensor = value.type.tensor_type
    dims = [d.dim_value for d in tensor.shape.dim] if tensor.HasField("shape") else None
    return tensor.elem_type, dims


def model_features(model):
    """Features of the only operator of a model, as src/doctor/op_features.h spells them; None for more than one node."""
    graph = model.graph
    dequantized = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "DequantizeLinear"}
    quantized = {n.input[0]: n.output[0] for n in graph.node if n.op_type == "QuantizeLinear"}
    rest = [n for n in graph.node if n.op_type not in ("DequantizeLinear", "QuantizeLinear")]
    if len(rest) != 1 and len(graph.node) != 1:
        return None
    node = rest[0] if rest else graph.node[0]
    version = next((o.version for o in model.opset_import if o.domain == node.domain), 0)
    try:
        schema = onnx.defs.get_schema(node.op_type, version, node.domain)
    except onnx.defs.SchemaError:
        return None
    facts = {v.name: (*shape_and_type(v), False) for v in graph.input}
    facts.update({i.name: (i.data_type, list(i.dims), True) for i in graph.initializer})
    facts.update({v.name: (*shape_and_type(v), False) for v in graph.output})
    integers = {name: facts[source] for name, source in dequantized.items() if source in facts} if rest else {}
    for name, (_, dims, constant) in integers.items():
        facts[name] = (onnx.TensorProto.FLOAT, dims, constant)
    key = {"n": str(len(node.input))}
    for index in range(4):
        name = node.input[index] if index < len(node.input) else ""
        if name not in facts:
            if index < len(schema.inputs):
                key[f"t{index}"], key[f"d{index}"], key[f"c{index}"] = "none", "none", "n"
            continue
        kind, dims, constant = facts[name]
        key[f"t{index}"] = onnx.TensorProto.DataType.Name(kind)
        key[f"d{index}"] = str(len(dims))
        key[f"c{index}"] = str(int(constant))
        if integers:
            key[f"u{index}"] = onnx.TensorProto.DataType.Name(integers[name][0]) if name in integers else "none"
    result = quantized.get(node.output[0])
    if integers:
        key["v0"] = onnx.TensorProto.DataType.Name(facts[result][0]) if result in facts else "none"
    if node.output[0] in facts and node.op_type in ("Cast", "CastLike"):
        key["o0"] = onnx.TensorProto.DataType.Name(facts[node.output[0]][0])
    given = {a.name: a for a in node.attribute}
    rank = len(facts[node.input[0]][1]) if node.input and node.input[0] in facts else 0
    for name in schema.attributes:
        if not plain_attribute(schema, name) or name == "to":
            continue
        default = default_of(schema, name)
        value = default
        if name in given:
            value = str(given[name].i) if given[name].type == onnx.AttributeProto.INT else given[name].s.decode()
        if name == "axis":
            axis = int(value) + rank if value != "none" and int(value) < 0 else int(value) if value != "none" else None
            if axis is not None:
                key[f"l:axis:{default}"] = str(int(axis == rank - 1))
                key[f"f:axis:{default}"] = str(int(axis == 0))
        else:
            key[f"a:{name}:{default}"] = value
    domain = node.domain + "." if node.domain else ""
    return node, ("qdq:" if integers else "") + domain + node.op_type, key


def answer_tables(answers, folder):
    by_op = collections.defaultdict(list)
    for line in open(answers):
        answer = json.loads(line)
        try:
            model = onnx.load(pathlib.Path(folder) / answer["file"])
        except FileNotFoundError:
            continue
        found = model_features(model)
        if found is None:
            continue
        node, op, key = found
        assigned = answer.get("assigned", {})
        if "invalid" in answer:
            continue
        if "compiles" in answer:
            outcome = COMPILES if answer["compiles"] else ELSEWHERE
        elif "error" in answer:
            outcome = NOTHING
        elif any(node.op_type in ops for name, ops in assigned.items() if "qnn" in name.lower()):
            outcome = COMPILES
        elif any(node.op_type in ops for ops in assigned.values()):
            outcome = ELSEWHERE
        else:
            continue  # folded, or rewritten into others
        by_op[op].append((key, outcome))
    tables = []
    for op, pairs in by_op.items():
        rows = collections.defaultdict(set)
        for key, outcome in pairs:
            rows[tuple(sorted(key.items()))].add(outcome)
        tables.append((op, {k: aggregate(v) for k, v in rows.items()}))
    return tables


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode(source, op, version, rows):
    """Head line and rows; features that never vary are kept, they say where the rows hold."""
    codes = sorted({code for key in rows for code, _ in key})
    rows = {tuple(dict(key).get(code, "none") for code in codes): outcome for key, outcome in rows.items()}
    values = [sorted({key[i] for key in rows}) for i in range(len(codes))]
    cells = 1
    for v in values:
        cells *= len(v)
    if not codes or len(codes) > MAX_FEATURES or cells >= 1 << 60:
        return None
    numbered = {}
    for key, outcome in rows.items():
        index = 0
        for i, value in enumerate(key):
            index = index * len(values[i]) + values[i].index(value)
        numbered[index] = outcome
    body, last = bytearray(), 0
    for index in sorted(numbered):
        body += varint((index - last) << 2 | numbered[index])
        last = index
    head = ["table", source, op, str(version), str(len(numbered))]
    head += ["|".join([code, *v]) for code, v in zip(codes, values)]
    return "\t".join(head), bytes(body)


def take_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def kept_tables(path):
    """(source, operator) -> rows of answers, and the source lines, of an earlier file."""
    head, _, body = zlib.decompress(pathlib.Path(path).read_bytes()).partition(b"\nend\n")
    tables, sources, at = {}, {}, 0
    for line in head.decode().split("\n")[1:]:
        words = line.split("\t")
        if words[0] == "source":
            sources[words[1]] = line
            continue
        _, source, op, _, count, *features = words
        codes, values = zip(*((f.split("|")[0], f.split("|")[1:]) for f in features))
        index, rows = 0, {}
        for _ in range(int(count)):
            packed, at = take_varint(body, at)
            index += packed >> 2
            rest, key = index, []
            for code, known in reversed(list(zip(codes, values))):
                rest, digit = divmod(rest, len(known))
                key.append((code, known[digit]))
            rows[tuple(sorted(key))] = packed & 3
        if source in COMPILERS:
            tables[source, op] = rows
    return tables, sources


COMPILERS = {
    "qnn-compiler": "Qualcomm's HTP compiler on x86-64, onnxruntime-qnn 2.7.0 with onnxruntime 1.31.1, soc_model 60: answers to "
                    "sampled single-operator models",
    "intel-compiler": "Intel's NPU compiler of OpenVINO 2026.4.1 for Windows, NPU_PLATFORM 4000: answers to sampled "
                      "single-operator models",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel")
    parser.add_argument("out")
    parser.add_argument("--answers", nargs=4, action="append", default=[], metavar=("SOURCE", "JSONL", "FOLDER", "DATE"))
    parser.add_argument("--keep")
    options = parser.parse_args()
    tables, date = winml_tables(options.wheel)
    heads = ["tessera-op-database 1"]
    merged, dates = collections.defaultdict(dict), {}
    for source, answers, folder, answer_date in options.answers:
        dates[source] = max(answer_date, dates.get(source, ""))
        for op, rows in answer_tables(answers, folder):
            for key, outcome in rows.items():
                before = merged[source, op].get(key, outcome)
                merged[source, op][key] = outcome if before == outcome else MIXED
    kept, kept_sources = kept_tables(options.keep) if options.keep else ({}, {})
    for table, rows in kept.items():
        for key, outcome in rows.items():
            merged[table].setdefault(key, outcome)
        dates.setdefault(table[0], kept_sources[table[0]].split("\t")[2])
    # What the provider has learned since: measured when nothing of the operator compiled, and now some of it does.
    learned = {op for (source, op), rows in merged.items() if source == "qnn-compiler"
               and any(o == COMPILES for o in rows.values())}
    never = {op for op in learned
             if not any(o == COMPILES for t in tables if t[:2] == ("qnn", op) for o in t[3].values())}
    tables = [t for t in tables if t[0] != "qnn" or t[1] not in never]
    for source in sorted(dates):
        heads.append(f"source\t{source}\t{dates[source]}\t{COMPILERS[source]}")
    tables = [(source, op, 0, rows) for (source, op), rows in sorted(merged.items())] + tables
    heads.append(f"source\tqnn\t{date}\tMicrosoft's measurements of QNN NPUs, winml-cli 0.4.0 (MIT)")
    heads.append(f"source\topenvino\t{date}\tMicrosoft's measurements of OpenVINO NPUs, winml-cli 0.4.0 (MIT)")
    bodies, rows = [], collections.Counter()
    for source, op, version, table in tables:
        encoded = encode(source, op, version, table)
        if encoded is None:
            print(f"left out: {source} {op} {version}")
            continue
        heads.append(encoded[0])
        bodies.append(encoded[1])
        rows[source] += len(table)
    packed = zlib.compress("\n".join([*heads, "end\n"]).encode() + b"".join(bodies), 9)
    pathlib.Path(options.out).write_bytes(packed)
    print(f"{options.out}: {len(packed)} bytes, {len(bodies)} tables, rows {dict(rows)}")


if __name__ == "__main__":
    main()
