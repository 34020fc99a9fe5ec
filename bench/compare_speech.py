#!/usr/bin/env python3
"""Tessera beside faster-whisper, OpenVINO GenAI and whisper.cpp: the same weights, recordings, threads and machine.

usage: compare_speech.py [--quick] [--engines PATTERN ...] [--rounds N] [--threads N] [--out DIR]
       compare_speech.py --setup      only installs the peers and converts the weights

Every engine works in a long-lived process of its own; in each round all engines transcribe all recordings one after another, in
an order that turns, while the others are stopped (SIGSTOP). Measured per engine: real-time factor (audio seconds per second of
work, long-lived, median over rounds), the same with one start and load included, load time, peak resident memory, word error
rate against the references (openai-whisper's English normaliser), and words that differ from openai-whisper's own output where
an oracle folder is given. Writes OUT/speech.json and OUT/speech.html and prints the table.

The peers are installed from the package index into .deps/venv-bench, the converters into .deps/venv-bench-export; whisper.cpp is
compiled for this machine. Converted weights and recordings (16 kHz mono WAV, by ffmpeg) lie in .deps/bench.
"""
import argparse
import collections
import fnmatch
import json
import os
import pathlib
import platform
import selectors
import signal
import statistics
import subprocess
import sys
import time
import wave

ROOT = pathlib.Path(__file__).resolve().parent.parent
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))
import speech_report  # noqa: E402
import wer  # noqa: E402

PEERS = {
    "venv-bench": [["setuptools", "wheel"],
                   ["faster-whisper==1.2.1", "openvino-genai==2026.4.1.0", "more-itertools", "regex", "numpy"],
                   ["--no-binary", "pywhispercpp", "pywhispercpp==1.5.1"],
                   ["--no-deps", "--no-build-isolation", "openai-whisper==20250625"]],
    "venv-bench-export": [["torch==2.8.0", "transformers==4.57.6", "optimum-intel[openvino]==2.2.0", "nncf==3.4.0"],
                          ["onnx==1.23.2"]],
}

Engine = collections.namedtuple("Engine", "kind model precision beam batch device", defaults=["cpu"])
ENGINES = {
    "tessera-f32": Engine("tessera", None, "f32", 1, 0),
    "tessera-bf16": Engine("tessera", None, "bf16", 1, 0),
    "tessera-int8": Engine("tessera", None, "int8", 1, 0),
    "tessera-int8-batch8": Engine("tessera", None, "int8", 1, 8),
    "tessera-bf16-batch8": Engine("tessera", None, "bf16", 1, 8),
    "tessera-f32-beam5": Engine("tessera", None, "f32", 5, 0),
    "tessera-int8-beam5": Engine("tessera", None, "int8", 5, 0),
    "tessera-onnxruntime-cpu": Engine("tessera", None, "f32", 1, 0, "onnxruntime:cpu"),
    "tessera-openvino-cpu": Engine("tessera", None, "f32", 1, 0, "openvino:cpu"),
    "faster-whisper-f32": Engine("faster-whisper", None, "float32", 1, 0),
    "faster-whisper-int8": Engine("faster-whisper", None, "int8", 1, 0),
    "faster-whisper-int8-batch8": Engine("faster-whisper", None, "int8", 1, 8),
    "faster-whisper-int8-beam5": Engine("faster-whisper", None, "int8", 5, 0),
    "openvino-f32": Engine("openvino", "openvino", "f32", 1, 0),
    "openvino-bf16": Engine("openvino", "openvino", "bf16", 1, 0),
    "whisper.cpp-f16": Engine("whisper.cpp", "ggml-f16.bin", "f16", 1, 0),
    "whisper.cpp-q8_0": Engine("whisper.cpp", "ggml-q8_0.bin", "q8_0", 1, 0),
    "whisper.cpp-f16-beam5": Engine("whisper.cpp", "ggml-f16.bin", "f16", 5, 0),
    "whisper.cpp-q8_0-beam5": Engine("whisper.cpp", "ggml-q8_0.bin", "q8_0", 5, 0),
}
# Ours against the peer it has to match, by round.
PAIRS = (("tessera-f32", "faster-whisper-f32"), ("tessera-bf16", "faster-whisper-int8"),
         ("tessera-int8", "faster-whisper-int8"), ("tessera-int8", "faster-whisper-int8-batch8"),
         ("tessera-f32", "openvino-f32"), ("tessera-bf16", "openvino-bf16"), ("tessera-int8", "openvino-bf16"),
         ("tessera-int8", "whisper.cpp-q8_0"), ("tessera-int8-batch8", "openvino-bf16"),
         ("tessera-int8-batch8", "faster-whisper-int8"), ("tessera-int8-batch8", "faster-whisper-int8-batch8"),
         ("tessera-int8-batch8", "whisper.cpp-q8_0"), ("tessera-int8-beam5", "faster-whisper-int8-beam5"),
         ("tessera-int8-beam5", "whisper.cpp-q8_0-beam5"), ("tessera-f32", "tessera-onnxruntime-cpu"),
         ("tessera-f32", "tessera-openvino-cpu"), ("tessera-openvino-cpu", "openvino-f32"))
START_LIMIT, FILE_LIMIT = 600, 1800  # seconds without an answer


# --- set-up ---------------------------------------------------------------------------------------------------------------

def install(name):
    """The environment `name` under .deps, made or brought to the versions above."""
    folder = ROOT / ".deps" / name
    stamp = folder / "installed.json"
    if stamp.is_file() and json.loads(stamp.read_text()) == PEERS[name]:
        return folder / "bin/python"
    print(f"installing {name} ...", file=sys.stderr)
    if not (folder / "bin/python").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    for packages in PEERS[name]:
        subprocess.run([folder / "bin/pip", "install", "-q", *packages], check=True)
    stamp.write_text(json.dumps(PEERS[name]))
    return folder / "bin/python"


def convert_weights(model):
    """Folder with the peers' forms of the CTranslate2 folder `model`."""
    out = ROOT / ".deps/bench" / model.name
    if not (out / "complete").is_file():
        print(f"converting {model.name} for the peers ...", file=sys.stderr)
        subprocess.run([install("venv-bench-export"), HERE / "convert_peers.py", model, out], check=True)
        (out / "complete").touch()
    return out


def convert_audio(recordings, data):
    """{name: WAV path}; every engine reads the same samples."""
    result = {}
    for name in recordings:
        target = ROOT / ".deps/bench/audio" / (name.replace("/", "_") + ".wav")
        if not target.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_suffix(".partial.wav")
            subprocess.run(["ffmpeg", "-nostdin", "-loglevel", "error", "-y", "-i", data / name, "-ac", "1", "-ar", "16000",
                            "-c:a", "pcm_s16le", partial], check=True)
            partial.rename(target)
        result[name] = target
    return result


def seconds_of(path):
    with wave.open(str(path)) as f:
        return f.getnframes() / f.getframerate()


def choose_recordings(data, quick, patterns):
    """English recordings with an exact or near-exact reference, from the data's manifest: {name: reference path}."""
    rows = [line.split("\t") for line in (data / "MANIFEST.tsv").read_text(encoding="utf-8").splitlines()]
    columns = {name: i for i, name in enumerate(rows[0])}
    chosen = {}
    for row in rows[1:]:
        name, quality = row[columns["path"]], row[columns["reference_quality"]]
        english = row[columns["language"]] == "en" and name.startswith(("en/", "long/"))
        if english and quality.startswith(("exact", "near-exact")) and (data / name).is_file():
            chosen[name] = data / row[columns["reference"]]
    if quick:
        patterns = ["en/misc/jfk.flac", "long/en_weekly_address_1.mp3", "en/librispeech_test_other/3080-5032-0009.flac"]
    if patterns:
        chosen = {n: r for n, r in chosen.items() if any(fnmatch.fnmatch(n, p) for p in patterns)}
    if not chosen:
        raise SystemExit(f"compare_speech: expected English recordings with a reference in {data}/MANIFEST.tsv, found none")
    return chosen


# --- engines --------------------------------------------------------------------------------------------------------------

class LineReader:
    """Lines of a child's stdout with the time each arrived."""

    def __init__(self, stream):
        self.descriptor, self.buffer = stream.fileno(), b""
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.descriptor, selectors.EVENT_READ)

    def line(self, limit):
        """(text, arrival), or None at the end of the stream."""
        while b"\n" not in self.buffer:
            if not self.selector.select(limit):
                raise RuntimeError(f"no answer for {limit} s")
            data = os.read(self.descriptor, 1 << 16)
            if not data:
                return None
            self.buffer += data
        text, self.buffer = self.buffer.split(b"\n", 1)
        return text.decode(), time.perf_counter()


class Peer:
    """A peer in its child process. Stopped between rounds so that idle threads take nothing from the one measured."""

    def __init__(self, name, engine, args, weights):
        model = args.model if engine.model is None else weights / engine.model
        spec = {"engine": engine.kind, "model": str(model), "threads": args.threads, "precision": engine.precision,
                "beam": engine.beam, "batch": engine.batch}
        start = time.perf_counter()
        self.log = open(args.out / f"{name}.log", "wb")
        self.process = subprocess.Popen(
            [install("venv-bench"), HERE / "speech_engines.py", json.dumps(spec)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.log,
            # pywhispercpp built from source leaves its libraries in the folder of the packages, with no path to them.
            env=os.environ | {"OMP_NUM_THREADS": str(args.threads), "LD_LIBRARY_PATH": os.environ["TESSERA_ORACLE_SITE"]})
        self.lines, self.name = LineReader(self.process.stdout), name
        ready = self.answer(START_LIMIT)
        self.version, self.load_seconds = ready["version"], ready["load_seconds"]
        self.start_seconds = time.perf_counter() - start
        self.peak_bytes = 0

    def answer(self, limit):
        line = self.lines.line(limit)
        if line is None:
            raise RuntimeError(f"{self.name} ended early; see {self.log.name}")
        return json.loads(line[0])

    def transcribe(self, path):
        self.process.stdin.write((json.dumps({"file": str(path)}) + "\n").encode())
        self.process.stdin.flush()
        return self.answer(FILE_LIMIT)

    def warm_up(self, path):
        self.transcribe(path)
        self.process.send_signal(signal.SIGSTOP)

    def round(self, audio):
        """({name: text}, seconds of work)."""
        self.process.send_signal(signal.SIGCONT)
        answers = {name: self.transcribe(path) for name, path in audio.items()}
        self.process.send_signal(signal.SIGSTOP)
        return {n: a["text"] for n, a in answers.items()}, sum(a["seconds"] for a in answers.values())

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.stdin.close()
            try:
                self.peak_bytes = self.answer(START_LIMIT)["peak_bytes"]
            finally:
                self.process.kill()
                self.process.wait()
        self.log.close()


class Tessera:
    """Ours through its command line: one process a round, which tells each finished file by a line of JSON.

    The first two files are the warm-up recording twice: the second one's time taken from the first one's is start and load; the
    work of the round runs from the end of the second to the end of the last. In batched mode the recordings are one stream, so
    the work is the whole process, its start and load included. With another device than our own kernels the round fails unless all
    stages ran there; its libraries are those of tools/make_venv.sh npu.
    """

    def __init__(self, name, engine, args, _weights):
        self.name, self.peak_bytes, self.starts, self.out = name, 0, [], args.out / name
        flags = ["--beam-size", "5", "--best-of", "5"] if engine.beam > 1 else []
        self.batched = engine.batch > 0
        flags += ["--mode", "batched", "--batch-size", str(engine.batch)] if self.batched else ["--mode", "sequential"]
        self.command = [args.tessera, "transcribe", "--json", "--quiet", "--model", str(args.model), "--device", engine.device,
                        "--language", "en", "--precision", engine.precision, "--threads", str(args.threads),
                        "--output-format", "json", "--output-dir", str(self.out), *flags]
        self.device, self.environment = engine.device, dict(os.environ)
        if engine.device != "cpu":
            subprocess.run([ROOT / "tools/make_venv.sh", "npu"], check=True)
            self.environment.setdefault("TESSERA_VENV", str(ROOT / ".deps/venv-npu"))
            self.placement = pathlib.Path(f"{self.out}.placement.json")
            self.command += ["--placement", str(self.placement)]
        version = subprocess.run([args.tessera, "--version"], capture_output=True, text=True, check=True)
        self.version = version.stdout.strip().splitlines()[0]

    def warm_up(self, path):
        self.warm = [path.with_name(f"warm_up_{i}.wav") for i in (1, 2)]
        for copy in self.warm:
            if not copy.exists():
                copy.write_bytes(path.read_bytes())

    def round(self, audio):
        paths = [*([] if self.batched else self.warm), *audio.values()]
        self.out.mkdir(parents=True, exist_ok=True)
        with open(f"{self.out}.log", "wb") as log:
            start = time.perf_counter()
            process = subprocess.Popen([*self.command, *map(str, paths)], stdout=subprocess.PIPE, stderr=log,
                                       env=self.environment)
            lines, arrivals = LineReader(process.stdout), []
            while (line := lines.line(FILE_LIMIT)) is not None:
                arrivals.append(line[1])
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode or len(arrivals) < len(paths):
            raise RuntimeError(f"{self.name}: exit code {process.returncode}, {len(arrivals)} lines; see {self.out}.log")
        if self.device != "cpu" and (where := json.loads(self.placement.read_text())["chosen"]) != self.device:
            raise RuntimeError(f"{self.name}: ran on {where}; see {self.placement}")
        self.starts.append(0.0 if self.batched else max(0.0, arrivals[0] - start - (arrivals[1] - arrivals[0])))
        self.peak_bytes = max(self.peak_bytes, usage.ru_maxrss * 1024)
        texts = {n: json.loads((self.out / f"{p.stem}.json").read_text(encoding="utf-8"))["text"] for n, p in audio.items()}
        return texts, arrivals[len(paths) - 1] - (start if self.batched else arrivals[1])

    @property
    def load_seconds(self):
        return statistics.median(self.starts)

    start_seconds = load_seconds

    def close(self):
        pass


# --- measuring ------------------------------------------------------------------------------------------------------------

def measure(args, names, audio, weights):
    """{engine: results}; an engine that fails is reported with its error and left out of further rounds."""
    engines, results = {}, {}
    warm = min(audio.values(), key=lambda p: abs(seconds_of(p) - 11))

    def attempt(name, action):
        try:
            return action()
        except (OSError, RuntimeError, ValueError, subprocess.SubprocessError) as error:
            results[name]["error"] = str(error)
            print(f"{name}: {error}", file=sys.stderr)
            return None

    def start(name):
        engine = ENGINES[name]
        made = (Tessera if engine.kind == "tessera" else Peer)(name, engine, args, weights)
        engines[name] = made
        made.warm_up(warm)

    try:
        for name in names:
            results[name] = {"seconds": [], "texts": {}}
            print(f"starting {name}", file=sys.stderr)
            attempt(name, lambda: start(name))
        for number in range(args.rounds):
            turn = number % len(names)
            for name in [*names[turn:], *names[:turn]]:
                if "error" in results[name]:
                    continue
                done = attempt(name, lambda: engines[name].round(audio))
                if done:
                    results[name]["texts"] = done[0]
                    results[name]["seconds"].append(done[1])
                    print(f"round {number + 1}: {name} {done[1]:.1f} s", file=sys.stderr)
    finally:
        for name, engine in engines.items():
            attempt(name, engine.close)
    for name, engine in engines.items():
        if results[name]["seconds"]:
            results[name] |= {"version": engine.version, "load_seconds": engine.load_seconds,
                              "start_seconds": engine.start_seconds, "peak_bytes": engine.peak_bytes}
    return results


def oracle_texts(folder, recordings, beam):
    found = {}
    for name in recordings:
        path = folder / f"{pathlib.Path(name).name}.{'b5' if beam > 1 else 'b1'}.json"
        if path.is_file():
            found[name] = json.loads(path.read_text(encoding="utf-8"))["text"]
    return found


def evaluate(name, result, recordings, total_seconds, oracle):
    """The figures of one engine's row."""
    if not result["seconds"]:
        return {"engine": name, "error": result.get("error", "no round finished")}
    speeds = [total_seconds / s for s in result["seconds"]]
    errors, against, equal = wer.Errors(), wer.Errors(), 0
    theirs = oracle_texts(oracle, recordings, ENGINES[name].beam)
    for file, text in result["texts"].items():
        errors += wer.errors(recordings[file].read_text(encoding="utf-8"), text)
        if file in theirs:
            found = wer.errors(theirs[file], text)
            against, equal = against + found, equal + (found.edits == 0)
    return {"engine": name, "version": result["version"], "speed": statistics.median(speeds), "speeds": speeds,
            "speed_with_start": total_seconds / (statistics.median(result["seconds"]) + result["start_seconds"]),
            "wer": errors.rate, "words": errors.words, "oracle_wer": against.rate if theirs else None,
            "oracle_equal": equal, "oracle_files": len(theirs), "peak_mib": result["peak_bytes"] / 2**20,
            "load_seconds": result["load_seconds"], "error": result.get("error")}


def paired_ratios(rows):
    """Ours over the peer's speed, round by round (both ran in that round); above 1 ours is faster."""
    speeds = {r["engine"]: r["speeds"] for r in rows if r.get("speeds")}
    pairs = []
    for ours, peer in PAIRS:
        if ours in speeds and peer in speeds:
            ratios = [a / b for a, b in zip(speeds[ours], speeds[peer])]
            pairs.append({"ours": ours, "peer": peer, "ratio": statistics.median(ratios), "ratios": ratios})
    return pairs


def machine():
    name = platform.processor() or platform.machine()
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return {"cpu": name, "cores": os.cpu_count(), "system": platform.platform()}


def default_model():
    roots = [os.environ.get("TESSERA_MODELS"), os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "tessera/models")]
    return pathlib.Path(next(r for r in roots if r)).expanduser() / "whisper-base"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = pathlib.Path(os.environ.get("TESSERA_SHARED") or ROOT.parent / "shared")
    parser.add_argument("--quick", action="store_true", help="three recordings, one round")
    parser.add_argument("--engines", nargs="+", metavar="PATTERN", default=["*"], help=", ".join(ENGINES))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--model", type=pathlib.Path, default=default_model(), help="CTranslate2 folder")
    parser.add_argument("--tessera", default=str(ROOT / "build/release/tessera"))
    parser.add_argument("--data", type=pathlib.Path, default=shared / "data", help="folder with MANIFEST.tsv")
    parser.add_argument("--oracle", type=pathlib.Path, default=shared / "oracle")
    parser.add_argument("--files", nargs="+", metavar="PATTERN", help="recordings by path in the data folder")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build/bench/speech")
    parser.add_argument("--setup", action="store_true", help="only install and convert")
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    args.model = args.model.expanduser().resolve()

    names = [n for n in ENGINES if any(fnmatch.fnmatch(n, p) for p in args.engines)]
    if not names:
        parser.error(f"no engine matches {' '.join(args.engines)}; there are {', '.join(ENGINES)}")
    site = install("venv-bench").parent.parent / "lib"
    os.environ["TESSERA_ORACLE_SITE"] = str(next(site.glob("python*/site-packages")))
    wer.normalizer()
    needs_weights = args.setup or any(ENGINES[n].model for n in names)
    weights = convert_weights(args.model) if needs_weights else None
    if args.setup:
        return 0
    args.out.mkdir(parents=True, exist_ok=True)
    recordings = choose_recordings(args.data, args.quick, args.files)
    audio = convert_audio(recordings, args.data)
    total = sum(map(seconds_of, audio.values()))
    print(f"{len(audio)} recordings, {total / 60:.1f} minutes, {args.threads} threads, {args.rounds} rounds", file=sys.stderr)

    results = measure(args, names, audio, weights)
    rows = [evaluate(n, results[n], recordings, total, args.oracle) for n in names]
    report = {"machine": machine(), "model": args.model.name, "threads": args.threads, "rounds": args.rounds,
              "recordings": len(audio), "audio_seconds": total, "rows": rows, "pairs": paired_ratios(rows),
              "texts": {n: results[n]["texts"] for n in names}}
    (args.out / "speech.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (args.out / "speech.html").write_text(speech_report.page(report), encoding="utf-8")
    print(speech_report.table(report))
    print(f"\n{args.out / 'speech.html'}")
    return 1 if any(r.get("error") for r in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
