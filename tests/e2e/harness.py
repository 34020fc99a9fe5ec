"""Shared by the end-to-end tests: runs the built `tessera`, counts checks, closes with "N passed, N failed"."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SAMPLE = ROOT / "tests" / "data" / "jfk.flac"
SKIPPED = 77  # ctest's SKIP_RETURN_CODE


class Harness:
    def __init__(self):
        if len(sys.argv) != 2:
            sys.exit(f"usage: {sys.argv[0]} PATH_OF_TESSERA")
        self.binary = os.path.abspath(sys.argv[1])
        self.passed = self.failed = 0
        self.folder = tempfile.TemporaryDirectory(prefix="tessera_e2e_")
        self.dir = pathlib.Path(self.folder.name)

    def run(self, *args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=None, timeout=300, **kwargs):
        return subprocess.run([self.binary, *map(str, args)], stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, text=True,
                              cwd=self.dir, env={**os.environ, **(env or {})}, timeout=timeout, **kwargs)

    def check(self, name, condition, detail=""):
        if condition:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAIL {name}\n{detail}")

    def expect(self, name, result, code, stderr=None, stdout=None):
        """Exit code, and texts that must occur. A crash shows as a negative code."""
        detail = f"  exit code {result.returncode}, expected {code}\n  stdout: {result.stdout!r}\n  stderr: {result.stderr!r}"
        good = result.returncode == code
        good = good and (stderr is None or stderr in result.stderr)
        good = good and (stdout is None or stdout in result.stdout)
        self.check(name, good, detail + f"\n  expected in stderr: {stderr!r}, in stdout: {stdout!r}")

    def model(self, name):
        """Skips the test, with the reason, where the model is not installed."""
        result = self.run("models", "path", name)
        if result.returncode != 0:
            print(f"skipped: {result.stderr.strip()}")
            sys.exit(SKIPPED)
        return result.stdout.strip()

    def json_lines(self, result):
        return [json.loads(line) for line in result.stdout.splitlines()]

    def finish(self):
        self.folder.cleanup()
        print(f"{self.passed} passed, {self.failed} failed")
        sys.exit(1 if self.failed or not self.passed else 0)
