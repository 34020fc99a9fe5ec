#!/usr/bin/env python3
"""Fills .deps/ with the pinned third-party sources that deps.lock names.

Idempotent and offline once everything is there: a stamp per dependency records the archive's sha256 and the list of files. A
fetch that was interrupted leaves nothing half-done: each dependency is unpacked beside its place and renamed into it.
Only the standard library is used here. Source archives of PyPI (kind "sdist") come through `unearth` in a private venv, because
pip would run an archive's build just to read its metadata; Go modules (kind "gomod") through `go mod download` with a cache of its
own. What is marked optional only costs the feature that it is for when it cannot be had.

Usage: fetch_deps.py [--dest DIR] [--check] [NAME...]
  --check   fetch nothing; exit 1 when something is missing
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
ATTEMPTS = 3


class FetchError(Exception):
    """A failure that the user can act on; its text says how."""


def say(text):
    print(f"fetch_deps: {text}", file=sys.stderr, flush=True)


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def stamp_text(dep):
    return json.dumps({"sha256": dep["sha256"], "files": dep["files"]}, sort_keys=True) + "\n"


def is_done(dep, dest):
    stamp = dest / dep["name"] / ".stamp"
    try:
        if stamp.read_text() != stamp_text(dep):
            return False
    except OSError:
        return False
    return all((dest / entry["to"]).exists() for entry in dep["files"])


def unearth_program(tools, dest):
    """Path of `unearth` in the private venv, made on first use."""
    tool = next(t for t in tools if t["name"] == "unearth")
    venv = dest / f"venv-unearth-{tool['version']}"
    program = venv / "bin" / "unearth"
    if program.exists():
        return program
    say(f"installing {tool['name']} {tool['version']} into a private venv")
    shutil.rmtree(venv, ignore_errors=True)
    for command in (
        [sys.executable, "-m", "venv", str(venv)],
        [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", f"{tool['name']}=={tool['version']}"],
    ):
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            shutil.rmtree(venv, ignore_errors=True)
            raise FetchError(
                f"could not prepare the downloader ({' '.join(command[:4])} ... exited {result.returncode}):\n"
                f"{(result.stderr or result.stdout).strip()[-1500:]}\n"
                "Expected python3 with the venv module (Debian: python3-venv) and a reachable PyPI."
            )
    return program


def fetch_sdist(dep, tools, dest, partial):
    """Asks PyPI for the source archive; the file, or the reason why there is none."""
    command = [str(unearth_program(tools, dest)), f"{dep['package']}=={dep['package_version']}",
               "--no-binary", "--python-version", "3.13"]
    if os.environ.get("PIP_INDEX_URL"):
        command += ["--index-url", os.environ["PIP_INDEX_URL"]]
    result = subprocess.run(command + ["--download", str(partial)], capture_output=True, text=True)
    found = list(partial.glob("*.tar.gz"))
    if result.returncode == 0 and len(found) == 1:
        return found[0], ""
    return None, (result.stderr or result.stdout).strip()[-1500:]


def fetch_gomod(dep, partial):
    """Asks the Go module proxy for the module's zip; the file, or the reason why there is none."""
    program = shutil.which("go")
    if program is None:
        return None, "no `go` program in PATH (Debian: golang-go); it is only used to download"
    # deps.lock pins the zip itself, so no checksum database is asked; nothing outside `partial` is written.
    environment = dict(os.environ, GOPATH=str(partial), GOMODCACHE=str(partial / "mod"), GOCACHE=str(partial / "cache"),
                       GOFLAGS="-modcacherw", GOSUMDB="off", GOTOOLCHAIN="local", GO111MODULE="on", GOWORK="off")
    result = subprocess.run([program, "mod", "download", "-json", f"{dep['package']}@{dep['package_version']}"],
                            capture_output=True, text=True, env=environment, cwd=partial)
    try:
        answer = json.loads(result.stdout)
    except ValueError:
        answer = {}
    if result.returncode == 0 and answer.get("Zip"):
        return pathlib.Path(answer["Zip"]), ""
    return None, (answer.get("Error") or result.stderr or result.stdout).strip()[-1500:]


def download(dep, tools, dest):
    """The verified archive of `dep`, from .deps/archives or the registry."""
    folder = dest / "archives"
    ending = {"sdist": ".tar.gz", "gomod": ".zip"}[dep["kind"]]
    archive = folder / f"{dep['package'].replace('/', '_')}-{dep['package_version']}{ending}"
    if archive.exists():
        if sha256_of(archive) == dep["sha256"]:
            return archive
        say(f"{archive.name}: sha256 differs from deps.lock, fetching it again")
        archive.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    error = ""
    for attempt in range(1, ATTEMPTS + 1):
        partial = folder / f"partial-{os.getpid()}"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            say(f"downloading {dep['package']} {dep['package_version']} ({dep['registry']})")
            found, error = fetch_gomod(dep, partial) if dep["kind"] == "gomod" else fetch_sdist(dep, tools, dest, partial)
            if found is not None:
                actual = sha256_of(found)
                if actual != dep["sha256"]:
                    raise FetchError(
                        f"{found.name}: expected sha256 {dep['sha256']}, got {actual}. The registry serves other bytes than "
                        "the ones this version was made with; do not use them."
                    )
                os.replace(found, archive)
                return archive
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        if attempt < ATTEMPTS:
            say(f"attempt {attempt} of {ATTEMPTS} failed, trying again")
            time.sleep(2 * attempt)
    raise FetchError(
        f"could not download {dep['package']} {dep['package_version']} ({dep['registry']}):\n{error}\n"
        "Check the network, or put the archive there by hand: " + str(archive)
    )


def members(archive):
    """Name and a function that opens it, for each file of a .tar.gz or .zip."""
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as package:
            for info in package.infolist():
                if not info.is_dir():
                    yield info.filename, lambda: package.open(info)
    else:
        with tarfile.open(archive, "r:gz") as package:
            for member in package:
                if member.isfile():
                    yield member.name, lambda: package.extractfile(member)


def unpack(dep, archive, dest):
    """Extracts the listed files of `archive` into dest/NAME, all or nothing."""
    staging = dest / f".{dep['name']}.{os.getpid()}"
    old = dest / f".{dep['name']}.old.{os.getpid()}"
    shutil.rmtree(staging, ignore_errors=True)
    taken = {entry["from"]: 0 for entry in dep["files"]}
    try:
        for name, open_member in members(archive):
            for entry in dep["files"]:
                source = entry["from"]
                if name == source:
                    relative = entry["to"]
                elif source.endswith("/") and name.startswith(source):
                    relative = entry["to"] + name[len(source):]
                else:
                    continue
                path = pathlib.PurePosixPath(relative)
                if path.is_absolute() or ".." in path.parts or path.parts[0] != dep["name"]:
                    raise FetchError(f"{archive.name}: entry {name} would land outside .deps/{dep['name']}")
                target = staging.joinpath(*path.parts[1:])
                target.parent.mkdir(parents=True, exist_ok=True)
                with open_member() as data, open(target, "wb") as out:
                    shutil.copyfileobj(data, out)
                taken[source] += 1
        missing = [source for source, count in taken.items() if count == 0]
        if missing:
            raise FetchError(f"{archive.name}: expected {', '.join(missing)} inside, found nothing of that name")
        (staging / ".stamp").write_text(stamp_text(dep))
        final = dest / dep["name"]
        if final.exists():
            os.replace(final, old)
        os.replace(staging, final)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description="Fills .deps/ with the pinned sources of deps.lock.")
    parser.add_argument("--dest", type=pathlib.Path, default=ROOT / ".deps", help="where to put them (default: .deps)")
    parser.add_argument("--check", action="store_true", help="fetch nothing, exit 1 when something is missing")
    parser.add_argument("names", nargs="*", help="only these dependencies")
    args = parser.parse_args()

    lock = json.loads((ROOT / "deps.lock").read_text())
    deps = lock["dependencies"]
    unknown = set(args.names) - {dep["name"] for dep in deps}
    if unknown:
        raise FetchError(f"deps.lock has no {', '.join(sorted(unknown))}; it has {', '.join(d['name'] for d in deps)}")
    wanted = [dep for dep in deps if not args.names or dep["name"] in args.names]
    todo = [dep for dep in wanted if not is_done(dep, args.dest)]
    if args.check:
        for dep in todo:
            say(f"missing: {dep['name']} {dep['version']}")
        return 1 if todo else 0
    args.dest.mkdir(parents=True, exist_ok=True)
    for dep in todo:
        try:
            unpack(dep, download(dep, lock["tools"], args.dest), args.dest)
            say(f"{dep['name']} {dep['version']} is in {args.dest / dep['name']}")
        except FetchError as problem:
            if not dep.get("optional"):
                raise
            say(f"going on without {dep['name']} ({dep['for']}): {problem}")
    if not todo:
        say("all dependencies are in place")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FetchError as problem:
        say(f"error: {problem}")
        sys.exit(1)
    except OSError as problem:
        say(f"error: {problem}")
        sys.exit(1)
    except KeyboardInterrupt:
        say("stopped; run it again to go on")
        sys.exit(130)
