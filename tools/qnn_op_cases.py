#!/usr/bin/env python3
"""Single-operator models, what Qualcomm's compiler answers to them, and how often `tessera doctor` says the same.

  generate WHEEL OUT --per-op N --seed S   models of the sampling space of the PyPI package winml-cli (MIT), its own generators;
                                           needs numpy, onnx 1.18, onnxruntime, colorama
  ask FOLDER ANSWERS.jsonl                 each compiled by onnxruntime-qnn (x86-64, soc_model 60) in a child that is started
                                           again when it crashes; needs onnxruntime and onnxruntime-qnn
  compare TESSERA FOLDER ANSWERS.jsonl --unseen FOLDER...
                                           agreement of the doctor's static verdict with the answers, over models whose bytes
                                           are in none of the other folders (those whose answers are in the database)

The environments are throw-away. src/doctor/op_database.bin holds the answers to seeds 1 (8 an operator) and 11 (150);
docs/doctor.md shows the comparison for seed 20261121 (16).
"""
import argparse
import collections
import contextlib
import hashlib
import io
import itertools
import json
import os
import pathlib
import random
import select
import subprocess
import sys
import tempfile
import types
import zipfile

MAX_COMBINATIONS = 30000
SECONDS = 90


def load_generators(folder):
    """The generators without the package's heavy __init__ modules."""
    sys.path.insert(0, folder)
    for name in ("winml", "winml.modelkit", "winml.modelkit.analyze", "winml.modelkit.pattern", "winml.modelkit.utils",
                 "winml.modelkit.onnx"):
        module = types.ModuleType(name)
        module.__path__ = [os.path.join(folder, *name.split("."))]
        sys.modules[name] = module
    from winml.modelkit.onnx.domains import ONNXDomain
    from winml.modelkit.onnx.dtypes import SupportedONNXType, remove_optional_from_type_annotation
    package = sys.modules["winml.modelkit.onnx"]
    package.ONNXDomain, package.SupportedONNXType = ONNXDomain, SupportedONNXType
    package.remove_optional_from_type_annotation = remove_optional_from_type_annotation
    from winml.modelkit.pattern import op_input_gen
    return op_input_gen, ONNXDomain.from_str("ai.onnx")


def generate(options):
    import onnx
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(options.wheel).extractall(folder)
        generators, domain = load_generators(folder)
        for op in sorted(generators.get_registered_operators()):
            try:
                generator = generators.get_runtime_checker_op(op)(domain.get_op_schema(op, options.opset), qdq_generator=None,
                                                                  dynamic_axis_mode="none")
            except Exception as error:  # the schema is of another opset
                print(f"{op}: {error}")
                continue
            choose = random.Random(f"{options.seed}/{op}/False")
            kept = []
            with contextlib.redirect_stdout(io.StringIO()):
                for count, case in enumerate(itertools.islice(generator.iter(), MAX_COMBINATIONS), 1):
                    if len(kept) < options.per_op * 3:
                        kept.append(case)
                    elif (place := choose.randrange(count)) < options.per_op * 3:
                        kept[place] = case
            choose.shuffle(kept)
            written = 0
            for arguments, tags in kept:
                if written == options.per_op:
                    break
                try:
                    with contextlib.redirect_stdout(io.StringIO()):
                        models = list(itertools.islice(generator.iter_const_and_dynamic_models(arguments, tags), 64))
                except Exception:  # a combination that its own generator refuses
                    continue
                if models:
                    model = choose.choice(models)[0]
                    model.ir_version = min(model.ir_version, 10)
                    onnx.save(model, out / f"{op}_{written}.onnx")
                    written += 1


def worker():
    import onnxruntime as ort
    import onnxruntime_qnn
    base = pathlib.Path(onnxruntime_qnn.__file__).parent
    ort.register_execution_provider_library("qnn", str(next(base.rglob("libonnxruntime_providers_qnn.so"))))
    backend = str(next(base.rglob("libQnnHtp.so")))
    device = [d for d in ort.get_ep_devices() if "QNN" in d.ep_name.upper()
              and d.device.type == ort.OrtHardwareDeviceType.CPU][:1]
    with tempfile.TemporaryDirectory() as trace:
        for line in sys.stdin:
            path = pathlib.Path(line.strip())
            for old in pathlib.Path(trace).iterdir():
                old.unlink()
            session = ort.SessionOptions()
            session.log_severity_level = 4
            session.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
            session.add_provider_for_devices(device, {
                "backend_path": backend, "soc_model": "60", "htp_arch": "73", "offload_graph_io_quantization": "0",
                "enable_framework_op_trace": "1", "framework_op_trace_dir": trace})
            answer = {"file": path.name}
            try:
                assigned = answer["assigned"] = collections.defaultdict(list)
                for group in ort.InferenceSession(str(path), session).get_provider_graph_assignment_info():
                    assigned[group.ep_name] += [n.op_type for n in group.get_nodes()]
            except Exception as error:
                answer["error"] = str(error)[:400]
            for found in pathlib.Path(trace).iterdir():
                answer["refused"] = [n["reason"] for n in json.loads(found.read_text()).get("unsupported_nodes", [])]
            print("ANSWER " + json.dumps(answer), flush=True)


def ask(options):
    child = None
    with open(options.answers, "w") as out:
        for path in sorted(pathlib.Path(options.folder).glob("*.onnx")):
            if child is None:
                child = subprocess.Popen([sys.executable, __file__, "worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.DEVNULL, text=True, bufsize=1)
            child.stdin.write(f"{path}\n")
            child.stdin.flush()
            answer = {"file": path.name, "error": "the compiler hung or crashed"}
            while select.select([child.stdout], [], [], SECONDS)[0] and (line := child.stdout.readline()):
                if line.startswith("ANSWER "):
                    answer = json.loads(line[7:])
                    break
            else:
                child.kill()
                child.wait()
                child = None
            out.write(json.dumps(answer) + "\n")


def truth_of(answer, op):
    """Whether the operator is on the NPU: True, False, None when it is folded; "invalid" for models that no runtime loads."""
    error = answer.get("error", "")
    if "INVALID_GRAPH" in error or "Load model from" in error:
        return "invalid"
    assigned = answer.get("assigned", {})
    if error:
        return False
    npu = [o for name, ops in assigned.items() if "qnn" in name.lower() for o in ops]
    cpu = [o for name, ops in assigned.items() if "qnn" not in name.lower() for o in ops]
    if op in npu:
        return True
    refused = answer.get("refused") or answer.get("trace", {}).get("unsupported_nodes")
    return False if cpu or refused else None


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def compare(options):
    answers = {a["file"]: a for a in map(json.loads, open(options.answers))}
    seen = {digest(p) for folder in options.unseen for p in pathlib.Path(folder).glob("*.onnx")}
    counts, wrong = collections.Counter(), []
    for path in sorted(pathlib.Path(options.folder).glob("*.onnx")):
        if path.name not in answers or "_qdq_" in path.name or digest(path) in seen:
            continue
        result = subprocess.run([options.tessera, "doctor", path, "--target", "snapdragon-x", "--json"], capture_output=True,
                                text=True)
        node = json.loads(result.stdout)["models"][0]["targets"][0]["nodes"][0]
        truth = truth_of(answers[path.name], node["op"])
        if truth == "invalid" or node["verdict"] == "unknown":
            counts["left out: " + ("no valid model" if truth == "invalid" else "not decided")] += 1
            continue
        right = truth is not False if node["verdict"] == "supported" else truth is False
        counts["agree" if right else "disagree"] += 1
        counts[f"{node['evidence']}, {'right' if right else 'wrong'}"] += 1
        if not right:
            wrong.append((path.name, node["verdict"], truth, node["rule"], node["reason"]))
    for line in wrong:
        print("\t".join(map(str, line)))
    decided = counts["agree"] + counts["disagree"]
    print(dict(counts), f"agreement {100 * counts['agree'] / max(1, decided):.2f} % of {decided}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("generate")
    command.add_argument("wheel")
    command.add_argument("out")
    command.add_argument("--per-op", type=int, default=16)
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--opset", type=int, default=17)
    command.set_defaults(run=generate)
    command = commands.add_parser("ask")
    command.add_argument("folder")
    command.add_argument("answers")
    command.set_defaults(run=ask)
    command = commands.add_parser("worker")
    command.set_defaults(run=lambda _: worker())
    command = commands.add_parser("compare")
    command.add_argument("tessera")
    command.add_argument("folder")
    command.add_argument("answers")
    command.add_argument("--unseen", nargs="*", default=[])
    command.set_defaults(run=compare)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
