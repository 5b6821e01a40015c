"""Builds the wheel of recc, with the library in it, without other packages: PEP 517, PEP 427 and PEP 660.

The library is the one that RECC_LIBRARY names, else `make library` in the checkout around this folder builds it.
"""

import base64
import ctypes
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
NAME = "librecc-c.so"


def _library():
    if named := os.environ.get("RECC_LIBRARY"):
        path = pathlib.Path(named)
        if not path.is_file():
            raise SystemExit(f"recc: RECC_LIBRARY names {path}, which is not there")
        return path
    if not (HERE.parent / "Package.swift").is_file():
        raise SystemExit("recc: build the wheel within a checkout of recc, or let RECC_LIBRARY name the library")
    if subprocess.run(["make", "--silent", "library"], cwd=HERE.parent, stdout=sys.stderr).returncode != 0:
        raise SystemExit("recc: 'make library' has failed; it needs Swift (https://www.swift.org/install)")
    return HERE.parent / ".build" / "release" / NAME


def _version(library):
    function = ctypes.CDLL(str(library.resolve())).recc_version
    function.restype = ctypes.c_char_p
    return function().decode()


def _metadata(version):
    return f"Metadata-Version: 2.1\nName: recc\nVersion: {version}\nRequires-Python: >=3.9\nRequires-Dist: numpy>=1.22\nLicense: Apache-2.0\n"


def _write(folder, version, tag, contents):
    """Writes a wheel of these files and its own; gives its name."""
    info = f"recc-{version}.dist-info"
    contents = {
        **contents,
        f"{info}/METADATA": _metadata(version).encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: recc\nRoot-Is-Purelib: false\nTag: {tag}\n".encode(),
    }
    record = []
    name = f"recc-{version}-{tag}.whl"
    pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path, content in contents.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={digest},{len(content)}")
            wheel.writestr(path, content)
        wheel.writestr(f"{info}/RECORD", "\n".join(record) + f"\n{info}/RECORD,,\n")
    return name


def _tag():
    return "py3-none-" + sysconfig.get_platform().replace("-", "_").replace(".", "_")


def _stripped(library):
    """The library without what debuggers want of it."""
    if shutil.which("strip") is None:
        return library.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / NAME
        subprocess.run(["strip", "--strip-unneeded", "-o", str(copy), str(library)], check=True)
        return copy.read_bytes()


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    library = _library()
    contents = {f"recc/{path.name}": path.read_bytes() for path in sorted((HERE / "recc").glob("*.py"))}
    contents[f"recc/{NAME}"] = _stripped(library)
    return _write(wheel_directory, _version(library), _tag(), contents)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    library = _library()
    return _write(wheel_directory, _version(library), _tag(), {"_recc.pth": f"{HERE}\n".encode()})


def build_sdist(sdist_directory, config_settings=None):
    raise SystemExit("recc: there is no distribution of the Python package's sources alone, as its library is made of the checkout")


if __name__ == "__main__":
    print(pathlib.Path(sys.argv[1]) / build_wheel(sys.argv[1]))
