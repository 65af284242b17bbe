"""Installs peers by package name into target/bench/peers, and knows how each is run.

Nothing is installed on the machine itself: pip and npm get a folder, cargo a root, and Debian's packages are downloaded and
unpacked. What can't be installed is kept with its reason and named in the results.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from .paths import BENCH, PEERS
from .timing import Command, works

SOURCES = BENCH / "peers"
STATE = PEERS / "state.json"
PYTHON = ["ec2-metadata", "cloud-detect", "botocore", "google-auth", "requests",
          "opentelemetry-resource-detector-azure", "matplotlib"]
NODE = ["gcp-metadata", "@aws-sdk/ec2-metadata-service", "@opentelemetry/resource-detector-aws",
        "@opentelemetry/resource-detector-gcp", "@opentelemetry/resource-detector-azure"]
DEBIAN = ["cloud-init", "amazon-ec2-utils", "gettext-base"]
GO = ["golang-go", "golang-github-aws-aws-sdk-go-v2-dev", "golang-google-cloud-compute-metadata-dev"]
GO_MODULES = {
    "gomplate": "github.com/hairyhenderson/gomplate/v3/cmd/gomplate@v3.11.8",
    "OpenTelemetry's Go detectors": "go.opentelemetry.io/contrib/detectors/aws/ec2@v1.17.0",
}


def venv_python() -> str:
    return str(PEERS / "python" / "bin" / "python")


def install(skip: bool) -> None:
    """Installs whatever isn't there yet. One that fails is tried again the next time."""
    PEERS.mkdir(parents=True, exist_ok=True)
    state = {"skipped": skip, "missing": {}, "versions": {}}
    for step in [] if skip else [python, node, debian, go, rust, afterburn]:
        try:
            step(state)
        except (subprocess.CalledProcessError, OSError) as error:
            output = getattr(error, "stderr", None) or str(error)
            state["missing"][step.__name__] = reason(output)
    STATE.write_text(json.dumps(state, indent=1))


def reason(output: str) -> str:
    """The last line of what an installer said, without addresses of hosts."""
    lines = [line for line in output.strip().splitlines() if line.strip()]
    said = re.sub(r"https?://\S+|\b[\w-]+(\.[\w-]+)+(:\d+)?\b", "…", lines[-1] if lines else "no reason given")
    return said[:160]


def quiet(*words: str, folder: Path | None = None, **environment: str) -> str:
    return subprocess.run(words, cwd=folder, env=dict(os.environ, **environment), check=True, text=True,
                          capture_output=True).stdout


def python(state: dict) -> None:
    folder = PEERS / "python"
    if not (folder / "installed").exists():
        quiet("python3", "-m", "venv", str(folder))
        quiet(venv_python(), "-m", "pip", "--quiet", "install", *PYTHON)
        (folder / "installed").touch()
    for line in quiet(venv_python(), "-m", "pip", "list", "--format=freeze").splitlines():
        name, _, version = line.partition("==")
        if name.lower() in PYTHON and name != "matplotlib":
            state["versions"][f"{name.lower()} (PyPI)"] = version


def node(state: dict) -> None:
    folder = PEERS / "node"
    if not (folder / "installed").exists():
        folder.mkdir(exist_ok=True)
        (folder / "package.json").write_text('{"private": true}')
        quiet("npm", "install", "--silent", *NODE, folder=folder)
        (folder / "installed").touch()
    for name in NODE:
        manifest = json.loads((folder / "node_modules" / name / "package.json").read_text())
        state["versions"][f"{name} (npm)"] = manifest["version"]


def debian(state: dict) -> None:
    unpack(DEBIAN, PEERS / "debian", state)


def unpack(packages: list[str], folder: Path, state: dict, dependencies: bool = False) -> None:
    """Downloads Debian packages and unpacks them, without installing anything."""
    if not (folder / "installed").exists():
        archives = folder / "archives"
        (archives / "partial").mkdir(parents=True, exist_ok=True)
        quiet("apt-get", "update")
        if dependencies:
            quiet("apt-get", "install", "--yes", "--no-install-recommends", "--download-only",
                  "-o", f"Dir::Cache::Archives={archives}", *packages)
        else:
            quiet("apt-get", "download", *packages, folder=archives)
        for archive in archives.glob("*.deb"):
            quiet("dpkg-deb", "--extract", str(archive), str(folder / "root"))
        (folder / "installed").touch()
    for archive in (folder / "archives").glob("*.deb"):
        name, version = archive.name.replace("%3a", ":").split("_")[:2]
        if name in packages:
            state["versions"][f"{name} (Debian)"] = version


def go(state: dict) -> None:
    """Debian's Go and its packages of the SDKs; modules of the Go module proxy only where it can be reached."""
    folder = PEERS / "go"
    unpack(GO, folder, state, dependencies=True)
    root = next((folder / "root" / "usr" / "lib").glob("go-*"))
    binary = str(root / "bin" / "go")
    environment = {"GOROOT": str(root), "GOCACHE": str(folder / "cache"), "GOFLAGS": "-modcacherw"}
    for source in (SOURCES / "go").glob("*.go"):
        if not (folder / source.stem).exists():
            packaged = str(folder / "root" / "usr" / "share" / "gocode")
            quiet(binary, "build", "-o", str(folder / source.stem), str(source), GOPATH=packaged, GO111MODULE="off",
                  **environment)
    for name, module in GO_MODULES.items():
        if (folder / "bin" / "gomplate").exists() and name == "gomplate":
            continue
        try:
            verb = "install" if name == "gomplate" else "list"
            quiet(binary, verb, *(["-m"] if verb == "list" else []), module, GOPATH=str(folder), folder=folder,
                  **environment)
            if verb == "list":
                state["missing"][name] = "no program for it here yet, though its module can be had"
        except subprocess.CalledProcessError as error:
            state["missing"][name] = "a Go program that Debian has no package of; of the Go module proxy it was said: " + reason(error.stderr).rsplit(": ", 1)[-1]


def rust(state: dict) -> None:
    manifest = SOURCES / "rust" / "Cargo.toml"
    quiet("cargo", "build", "--release", "--locked", "--manifest-path", str(manifest),
          CARGO_TARGET_DIR=str(PEERS / "rust"))
    lock = (SOURCES / "rust" / "Cargo.lock").read_text()
    for name in ("aws-config", "cloud-detect", "cloud-meta"):
        version = re.search(rf'name = "{name}"\nversion = "([^"]+)"', lock)[1]
        state["versions"][f"{name} (crate)"] = version


def afterburn(state: dict) -> None:
    folder = PEERS / "afterburn"
    if not (folder / "bin" / "afterburn").exists():
        quiet("cargo", "install", "--locked", "afterburn", "--root", str(folder),
              CARGO_TARGET_DIR=str(PEERS / "afterburn-build"))
        shutil.rmtree(PEERS / "afterburn-build")
    state["versions"]["afterburn (crate)"] = quiet(str(folder / "bin" / "afterburn"), "--version").split()[-1]


def state() -> dict:
    return json.loads(STATE.read_text())


def command(name: str, expects: str = "", **environment: str) -> Command:
    """A peer by its name in the table below."""
    return Command(name, PROGRAMS[name](), expects, environment)


def present(commands: list[Command]) -> tuple[list[Command], list[str]]:
    """Those that are installed, and a line for each of the others."""
    known = state()
    if known["skipped"]:
        return [], ["Peers were left out (--no-peers)."]
    there = [command for command in commands if all(Path(word).exists() for word in files_of(command))]
    return there, [f"{command.name} isn't installed." for command in commands if command not in there]


def files_of(command: Command) -> list[str]:
    return [word for word in command.words if word.startswith("/") and not word.startswith(("/latest", str(PEERS / "afterburn" / "attr")))]


def runnable(commands: list[Command]) -> tuple[list[Command], list[str]]:
    """Those that are installed and do here what they shall do, and a line for each of the others."""
    there, notes = present(commands)
    trouble = {command.name: works(command) for command in there}
    notes += [f"{name} doesn't do it here: {said}" for name, said in trouble.items() if said]
    return [command for command in there if not trouble[command.name]], notes


def envsubst() -> str:
    unpacked = PEERS / "debian" / "root" / "usr" / "bin" / "envsubst"
    return str(unpacked) if unpacked.exists() else "envsubst"


def _python(file: str, *arguments: str):
    return lambda: [venv_python(), str(SOURCES / "python" / file), *arguments]


def _node(file: str, *arguments: str):
    return lambda: ["node", str(PEERS / "node" / file), *_copied(file), *arguments]


def _copied(file: str) -> list[str]:
    # Node looks for packages beside the file that asks for them.
    shutil.copy(SOURCES / "node" / file, PEERS / "node" / file)
    return []


def _rust(name: str, *arguments: str):
    return lambda: [str(PEERS / "rust" / "release" / name), *arguments]


def _debian(path: str, *arguments: str):
    return lambda: [str(PEERS / "debian" / "root" / path), *arguments]


def _go(name: str, *arguments: str):
    return lambda: [str(PEERS / "go" / name), *arguments]


def _afterburn(provider: str):
    return lambda: [str(PEERS / "afterburn" / "bin" / "afterburn"), "multi", "--provider", provider,
                    f"--attributes={PEERS / 'afterburn' / 'attributes'}"]


PROGRAMS = {
    "ds-identify (cloud-init)": _debian("usr/lib/cloud-init/ds-identify", "--force"),
    "cloud-detect (PyPI)": _python("detect.py"),
    "cloud-detect (crate)": _rust("peer-cloud-detect"),
    "aws-config (crate)": _rust("peer-aws-config"),
    "cloud-meta (crate), identity document": _rust("peer-cloud-meta", "one"),
    "cloud-meta (crate), AWS": _rust("peer-cloud-meta", "aws"),
    "cloud-meta (crate), Azure": _rust("peer-cloud-meta", "azure"),
    "cloud-meta (crate), GCP": _rust("peer-cloud-meta", "gcp"),
    "afterburn, AWS": _afterburn("aws"),
    "afterburn, Azure": _afterburn("azure"),
    "afterburn, GCP": _afterburn("gcp"),
    "ec2-metadata (PyPI)": _python("one_value.py", "ec2-metadata"),
    "botocore": _python("one_value.py", "botocore"),
    "google-auth": _python("one_value.py", "google-auth"),
    "ec2-metadata (shell, amazon-ec2-utils)": _debian("usr/bin/ec2-metadata", "--instance-id"),
    "curl in a shell script": lambda: ["sh", str(SOURCES / "shell" / "one-value.sh")],
    "@aws-sdk/ec2-metadata-service": _node("one-value.mjs", "aws"),
    "gcp-metadata": _node("one-value.mjs", "gcp"),
    "aws-sdk-go-v2": _go("aws"),
    "compute/metadata (Go)": _go("gcp"),
    "OpenTelemetry's detector, AWS (npm)": _node("detectors.mjs", "aws"),
    "OpenTelemetry's detector, Azure (npm)": _node("detectors.mjs", "azure"),
    "OpenTelemetry's detector, GCP (npm)": _node("detectors.mjs", "gcp"),
    "OpenTelemetry's detector, Azure (PyPI)": _python("detector_azure.py"),
}
