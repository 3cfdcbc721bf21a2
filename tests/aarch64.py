"""Runs the golden networks on AArch64, emulated on an x86-64 Debian machine, and compares the digests.

On demand: ``python tests/aarch64.py [folder]``. Into the folder (a temporary one by default; kept if named,
and then used again) come qemu-user-static, Debian's arm64 packages of Python 3.11, unpacked and not
installed, and the aarch64 wheels of the versions of NumPy and Numba in use here. Needs apt-get and pip on
an x86-64 Debian 12, no root; takes about six minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from golden import FILE

TESTS = Path(__file__).resolve().parent

PACKAGES = (
    "python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libc6 libgcc-s1 libstdc++6 zlib1g "
    "libexpat1 libffi8 libbz2-1.0 liblzma5 libssl3 libuuid1 libcrypt1 libgomp1 libsqlite3-0"
)
WHEELS = ("numpy", "numba", "llvmlite")
PLATFORMS = (
    "manylinux_2_28_aarch64",
    "manylinux_2_27_aarch64",
    "manylinux_2_17_aarch64",
    "manylinux2014_aarch64",
)


def apt(folder: Path, *arguments: str) -> None:
    """Run apt-get as on an arm64 machine without packages, keeping everything inside the folder."""
    options = {
        "APT::Architecture": "arm64",
        "APT::Architectures": "arm64",
        "APT::Sandbox::User": "root",
        "Dir::State": str(folder / "state"),
        "Dir::State::status": "/dev/null",
        "Dir::Cache": str(folder / "cache"),
    }
    for part in ("state/lists/partial", "cache/archives/partial", "packages"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    subprocess.run(["apt-get", "-q", *words, *arguments], cwd=folder / "packages", check=True)


def prepare(folder: Path) -> None:
    """Fetch and unpack the emulator, Python and the wheels."""
    (folder / "host").mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "-q", "download", "qemu-user-static"], cwd=folder / "host", check=True)
    apt(folder, "update")
    apt(folder, "download", *PACKAGES.split())
    for deb in (folder / "host").glob("*.deb"):
        subprocess.run(["dpkg", "-x", deb, folder / "emulator"], check=True)
    for deb in (folder / "packages").glob("*.deb"):
        subprocess.run(["dpkg", "-x", deb, folder / "root"], check=True)
    platforms = [f"--platform={name}" for name in PLATFORMS]
    wanted = [f"{name}=={version(name)}" for name in WHEELS]
    options = ["-q", "--only-binary=:all:", "--no-deps", "--python-version=3.11", "-d", folder / "wheels"]
    subprocess.run([sys.executable, "-m", "pip", "download", *options, *platforms, *wanted], check=True)
    for wheel in (folder / "wheels").glob("*.whl"):
        shutil.unpack_archive(wheel, folder / "site", "zip")


def run(folder: Path, *arguments: str) -> str:
    """Run emulated Python from the folder of the tests and return what it prints."""
    environment = os.environ | {
        "PYTHONPATH": f"{TESTS.parent}:{folder / 'site'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "NUMBA_CACHE_DIR": str(folder / "kernels"),
        "NUMBA_NUM_THREADS": "2",
    }
    emulator = folder / "emulator/usr/bin/qemu-aarch64-static"
    command = [emulator, "-L", folder / "root",
               folder / "root/usr/bin/python3.11", *arguments]  # fmt: skip
    return subprocess.run(command, cwd=TESTS, env=environment, check=True, text=True, stdout=subprocess.PIPE).stdout


def main(folder: Path) -> int:
    """Compare every digest of both backends with the recorded one; 1 if one differs."""
    if not (folder / "site").exists():
        prepare(folder)
    print(run(folder, "-c", "import platform; print(platform.machine(), platform.python_version())"), flush=True)
    recorded = json.loads(FILE.read_text())
    failures = 0
    for backend in ("numpy", "numba"):
        found = json.loads(run(folder, "golden.py", backend))
        for name, digest in recorded.items():
            same = found.get(name) == digest
            failures += not same
            print(f"{backend:6}{name:68}{'same' if same else f'DIFFERS: {found.get(name)}'}", flush=True)
    return int(failures > 0)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main(Path(sys.argv[1]).resolve()))
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(Path(temporary)))
