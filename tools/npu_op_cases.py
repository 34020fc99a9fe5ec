#!/usr/bin/env python3
"""Single-operator models, what vendors' compilers answer to them, and how often `tessera doctor` says the same.

  generate WHEEL OUT --per-op N --seed S   models of the sampling space of the PyPI package winml-cli (MIT), its own generators;
                                           needs numpy, onnx 1.18, ml_dtypes, onnxruntime, colorama
  ask COMPILER FOLDER ANSWERS.jsonl        each compiled in a child that is started again when it crashes; needs onnxruntime
      qnn              Qualcomm's compiler (onnxruntime-qnn, x86-64, soc_model 60)
      openvino-cpu     query_model of OpenVINO's CPU device (openvino)
      intel-npu --program "COMMAND..."     Intel's NPU compiler: the command that starts tools/intel_npu_worker.cc
  compare TESSERA FOLDER ANSWERS.jsonl --target TARGET --unseen FOLDER...
                                           agreement of the doctor's static verdict with the answers, over models whose bytes
                                           are in none of the other folders (those that were looked at before)

The environments are throw-away. src/doctor/op_database.bin holds the answers of qnn to seeds 1 (8 an operator) and 11 (150);
docs/doctor.md shows the comparisons for other seeds.
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
import queue
import random
import shlex
import subprocess
import sys
import tempfile
import threading
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


def quantizer_of(domain):
    """Every operator between DequantizeLinear and QuantizeLinear of com.microsoft, which has 16 bits at any opset."""
    from winml.modelkit.pattern.op_input_gen.qdq_gen import QDQGenerator
    return QDQGenerator(1, type(domain).COM_MICROSOFT)


def generate(options):
    import onnx
    out = pathlib.Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        zipfile.ZipFile(options.wheel).extractall(folder)
        generators, domain = load_generators(folder)
        quantizer = quantizer_of(domain) if options.qdq else None
        for op in sorted(generators.get_registered_operators()):
            try:
                generator = generators.get_runtime_checker_op(op)(domain.get_op_schema(op, options.opset),
                                                                  qdq_generator=quantizer, dynamic_axis_mode="none")
                if options.qdq and generator.get_qdq_config() is None:
                    continue
            except Exception as error:  # the schema is of another opset
                print(f"{op}: {error}")
                continue
            choose = random.Random(f"{options.seed}/{op}/{options.qdq}")
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
                    onnx.save(model, out / f"{op}_{'qdq_' * options.qdq}{written}.onnx")
                    written += 1


def answers_of(answer_one):
    for line in sys.stdin:
        print("ANSWER " + json.dumps(answer_one(line.strip())), flush=True)


def qnn_worker():
    import onnxruntime as ort
    import onnxruntime_qnn
    base = pathlib.Path(onnxruntime_qnn.__file__).parent
    ort.register_execution_provider_library("qnn", str(next(base.rglob("libonnxruntime_providers_qnn.so"))))
    backend = str(next(base.rglob("libQnnHtp.so")))
    device = [d for d in ort.get_ep_devices() if "QNN" in d.ep_name.upper()
              and d.device.type == ort.OrtHardwareDeviceType.CPU][:1]

    def answer_one(path):
        for old in pathlib.Path(trace).iterdir():
            old.unlink()
        session = ort.SessionOptions()
        session.log_severity_level = 4
        session.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        session.add_provider_for_devices(device, {
            "backend_path": backend, "soc_model": "60", "htp_arch": "73", "offload_graph_io_quantization": "0",
            "enable_framework_op_trace": "1", "framework_op_trace_dir": trace})
        answer = {}
        try:
            assigned = answer["assigned"] = collections.defaultdict(list)
            for group in ort.InferenceSession(path, session).get_provider_graph_assignment_info():
                assigned[group.ep_name] += [n.op_type for n in group.get_nodes()]
        except Exception as error:
            answer["error"] = str(error)[:400]
        for found in pathlib.Path(trace).iterdir():
            answer["refused"] = [n["reason"] for n in json.loads(found.read_text()).get("unsupported_nodes", [])]
        return answer

    with tempfile.TemporaryDirectory() as trace:
        answers_of(answer_one)


def openvino_cpu_worker():
    import openvino
    core = openvino.Core()

    def answer_one(path):
        try:
            model = core.read_model(path)
        except Exception as error:
            return {"compiles": False, "stage": "read", "error": str(error)[:600]}
        try:
            named = core.query_model(model, "CPU")
        except Exception as error:
            return {"compiles": False, "stage": "query", "error": str(error)[:600]}
        left = [op.get_type_name() for op in model.get_ordered_ops() if op.get_friendly_name() not in named]
        return {"compiles": not left, "stage": "query", "error": "not taken: " + ", ".join(left) if left else ""}

    answers_of(answer_one)


WORKERS = {"qnn": qnn_worker, "openvino-cpu": openvino_cpu_worker}


def invalid(path):
    """Why no runtime loads the model; "" for valid ones."""
    import onnxruntime as ort
    session = ort.SessionOptions()
    session.log_severity_level = 4
    try:
        ort.InferenceSession(str(path), session, providers=["CPUExecutionProvider"])
    except Exception as error:
        text = str(error)
        return text[:200] if "INVALID_GRAPH" in text or "Load model from" in text else ""
    return ""


class Child:
    """A worker process; its lines come through a thread, since a pipe cannot be read with a time limit."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True, bufsize=1, errors="replace")
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def ask(self, path):
        """The answer; None when the process ended or took too long."""
        try:
            self.process.stdin.write(f"{path}\n")
            self.process.stdin.flush()
            while (line := self.lines.get(timeout=SECONDS)) is not None:
                if line.startswith("ANSWER "):
                    return json.loads(line[7:])
        except (queue.Empty, BrokenPipeError):
            pass
        return None

    def stop(self):
        self.process.kill()
        self.process.wait()


def ask(options):
    command = shlex.split(options.program) if options.program else [sys.executable, __file__, "worker", options.compiler]
    child = None
    with open(options.answers, "w") as out:
        for path in sorted(pathlib.Path(options.folder).absolute().glob("*.onnx")):
            if options.compiler != "qnn" and (why := invalid(path)):
                answer = {"invalid": why}
            else:
                child = child or Child(command)
                answer = child.ask(path)
                if answer is None:
                    answer = {"error": "the compiler hung or crashed", "compiles": False}
                    child.stop()
                    child = None
            out.write(json.dumps({"file": path.name, **answer}) + "\n")
    if child is not None:
        child.stop()


def truth_of(answer, op):
    """Whether the operator is on the NPU: True, False, None when it is folded; "invalid" for models that no runtime loads."""
    error = answer.get("error", "")
    if "invalid" in answer or "INVALID_GRAPH" in error or "Load model from" in error:
        return "invalid"
    if "compiles" in answer:
        return answer["compiles"]
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
        if path.name not in answers or digest(path) in seen:
            continue
        result = subprocess.run([options.tessera, "doctor", path, "--target", options.target, "--json"], capture_output=True,
                                text=True)
        nodes = json.loads(result.stdout)["models"][0]["targets"][0]["nodes"]
        node = next((n for n in nodes if not n["op"].endswith("tizeLinear")), nodes[0])  # of a node unit: the operator
        truth = truth_of(answers[path.name], node["op"])
        if truth == "invalid" or node["verdict"] == "unknown":
            counts["left out: " + ("no valid model" if truth == "invalid" else "not decided")] += 1
            continue
        right = truth is not False if node["verdict"] == "supported" else truth is False
        counts["agree" if right else "disagree"] += 1
        counts[f"{node['evidence']}, {'right' if right else 'wrong'}"] += 1
        if not right:
            wrong.append((path.name, node["verdict"], truth, node["rule"], node["reason"],
                          answers[path.name].get("error", "")[-160:]))
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
    command.add_argument("--qdq", action="store_true", help="node units: between DequantizeLinear and QuantizeLinear")
    command.set_defaults(run=generate)
    command = commands.add_parser("ask")
    command.add_argument("compiler", choices=[*WORKERS, "intel-npu"])
    command.add_argument("folder")
    command.add_argument("answers")
    command.add_argument("--program", default="")
    command.set_defaults(run=ask)
    command = commands.add_parser("worker")
    command.add_argument("compiler", choices=[*WORKERS])
    command.set_defaults(run=lambda options: WORKERS[options.compiler]())
    command = commands.add_parser("compare")
    command.add_argument("tessera")
    command.add_argument("folder")
    command.add_argument("answers")
    command.add_argument("--target", default="snapdragon-x")
    command.add_argument("--unseen", nargs="*", default=[])
    command.set_defaults(run=compare)
    options = parser.parse_args()
    if getattr(options, "compiler", "") == "intel-npu" and not options.program:
        parser.error("ask intel-npu: needs --program")
    options.run(options)


if __name__ == "__main__":
    main()
