#!/usr/bin/env python3
"""Holds the layer rule of the tree: a folder of src/ includes only from the folders that its entry below names.

Also: no include by relative path, every quoted include names an existing file, no cycle between headers, guards of headers
spell their path, the public headers stand alone, and operating-system headers stay in src/base (exceptions below, with reasons).
Usage: check_includes.py [ROOT] ; exit 1 and one line a finding. --self-test checks the checker.
"""
import pathlib
import re
import sys
import tempfile

# Layer -> layers it may include from (itself and the public headers always). Mirrors tessera_layer() in CMakeLists.txt.
LAYERS = {
    "base": [],
    "tensor": ["base"],
    "graph": ["base", "tensor"],
    "formats": ["base", "tensor"],
    "audio": ["base", "tensor"],
    "text": ["base", "tensor"],
    "kernels": ["base", "tensor", "graph"],
    "providers": ["base", "tensor", "graph", "kernels", "formats"],
    "runtime": ["base", "tensor", "graph", "kernels", "providers", "formats"],
    "models": ["base", "tensor", "graph", "formats", "text", "audio", "kernels", "providers", "runtime"],
    "pipelines": ["base", "tensor", "graph", "formats", "text", "audio", "kernels", "providers", "runtime", "models"],
    "bench": ["base", "tensor", "graph", "formats", "text", "audio", "kernels", "providers", "runtime", "models", "pipelines"],
    "doctor": ["base", "tensor", "graph", "formats", "text", "audio", "kernels", "providers", "runtime", "models", "pipelines"],
}
LAYERS["cli"] = sorted(LAYERS)

# Headers of the operating system. <cstdio> and friends of the C++ standard are not among them.
POSIX = re.compile(
    r"^(unistd|fcntl|dirent|dlfcn|glob|poll|pwd|sched|signal|spawn|termios|pthread|semaphore|windows|io|libgen|fnmatch)\.h$"
    r"|^(sys|linux|asm|netinet|arpa)/"
)
# file -> (header it may use, why)
POSIX_EXCEPTIONS = {
    # Lists of devices, of which a build has that of its system.
    "src/runtime/devices_windows.cc": ("windows.h",),
    "src/runtime/devices_macos.cc": ("sys/sysctl.h",),
}

INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)


def layer_of(path, root):
    parts = path.relative_to(root).parts
    return parts[1] if parts[0] == "src" and len(parts) > 2 else None


def check(root):
    findings = []
    graph = {}
    sources = sorted(p for top in ("src", "include", "tests", "fuzz", "bench") for p in (root / top).rglob("*")
                     if p.suffix in (".h", ".cc", ".c"))
    for path in sources:
        name = path.relative_to(root).as_posix()
        text = path.read_text(errors="replace")
        layer = layer_of(path, root)
        public = name.startswith("include/")
        if layer is not None and layer not in LAYERS:
            findings.append(f"{name}: folder src/{layer} is no known layer; add it to tools/check_includes.py and CMakeLists.txt")
            continue
        graph[name] = []
        for match in INCLUDE.finditer(text):
            quoted, system = match.groups()
            line = f"{name}:{text.count(chr(10), 0, match.start(1 if quoted else 2)) + 1}"
            if system is not None:
                if layer not in (None, "base") and POSIX.match(system) and system not in POSIX_EXCEPTIONS.get(name, ()):
                    findings.append(f"{line}: <{system}> belongs into src/base only")
                continue
            if quoted.startswith(".") or "/../" in quoted:
                findings.append(f'{line}: "{quoted}" is a relative path; include from the root of src/ or include/')
                continue
            target = next((t for t in (f"src/{quoted}", f"include/{quoted}", quoted) if (root / t).is_file()), None)
            if target is None:
                if layer is not None and quoted.split("/")[0] in LAYERS:
                    findings.append(f'{line}: "{quoted}" does not exist')
                continue
            graph[name].append(target)
            if public and target.startswith("src/"):
                findings.append(f'{line}: a public header includes "{quoted}" of src/')
            if layer is None or not target.startswith("src/"):
                continue
            other = target.split("/")[1]
            if other != layer and other not in LAYERS[layer]:
                findings.append(f'{line}: layer {layer} must not include "{quoted}" (allowed: {", ".join(LAYERS[layer]) or "nothing"})')
        if path.suffix == ".h" and (layer is not None or public):
            stem = name.split("/", 1)[1]
            stem = stem if stem.startswith("tessera/") else "tessera/" + stem
            guard = re.sub(r"[^A-Za-z0-9]", "_", stem).upper() + "_"
            # Highway's per-target headers (-inl.h) toggle their guard instead.
            if not name.endswith("-inl.h") and f"#ifndef {guard}" not in text:
                findings.append(f"{name}: expected the include guard {guard}")
    findings += cycles(graph)
    return findings, len(sources)


def cycles(graph):
    """Cycles between headers, each reported once."""
    done, stack, found = set(), [], []

    def visit(node):
        if node in stack:
            found.append("include cycle: " + " -> ".join(stack[stack.index(node):] + [node]))
            return
        if node in done:
            return
        stack.append(node)
        for target in graph.get(node, ()):
            visit(target)
        stack.pop()
        done.add(node)

    for node in sorted(graph):
        visit(node)
    return found


def self_test():
    cases = [
        ({"src/tensor/a.cc": '#include "base/b.h"\n', "src/base/b.h": "#ifndef TESSERA_BASE_B_H_\n"}, []),
        ({"src/base/a.cc": '#include "tensor/b.h"\n', "src/tensor/b.h": "#ifndef TESSERA_TENSOR_B_H_\n"}, ["layer base must not"]),
        ({"src/audio/a.cc": '#include "graph/b.h"\n', "src/graph/b.h": "#ifndef TESSERA_GRAPH_B_H_\n"}, ["layer audio must not"]),
        ({"src/audio/a.cc": '#include "../base/b.h"\n'}, ["relative path"]),
        ({"src/audio/a.cc": "#include <sys/stat.h>\n"}, ["belongs into src/base"]),
        ({"src/base/a.cc": "#include <sys/stat.h>\n#include <unistd.h>\n"}, []),
        ({"src/text/a.cc": '#include "text/gone.h"\n'}, ["does not exist"]),
        ({"src/text/a.h": "#ifndef WRONG_H\n"}, ["expected the include guard TESSERA_TEXT_A_H_"]),
        ({"include/tessera/a.h": '#ifndef TESSERA_A_H_\n#include "base/b.h"\n', "src/base/b.h": "#ifndef TESSERA_BASE_B_H_\n"},
         ["public header"]),
        ({"src/base/a.h": '#ifndef TESSERA_BASE_A_H_\n#include "base/b.h"\n',
          "src/base/b.h": '#ifndef TESSERA_BASE_B_H_\n#include "base/a.h"\n'}, ["include cycle"]),
        ({"src/extra/a.cc": ""}, ["no known layer"]),
    ]
    for files, expected in cases:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            findings, _ = check(root)
            if len(findings) != len(expected) or any(e not in f for e, f in zip(expected, findings)):
                print(f"self-test failed for {files}: expected {expected}, got {findings}")
                return 1
    print(f"check_includes self-test: {len(cases)} cases passed")
    return 0


def main():
    if "--self-test" in sys.argv:
        return self_test()
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent)
    findings, count = check(root)
    for finding in findings:
        print(finding)
    print(f"check_includes: {count} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
