#!/usr/bin/env python3
"""Writes Fashion-MNIST as float32 tables: 60,000 rows of 784 and 10,000 queries, for the metric l2.

    benches/data/fashion_mnist.py [DIR]        (default: target/data)
    cargo bench --bench recall -- --base target/data/fashion-mnist.npy \
        --queries target/data/fashion-mnist-queries.npy --metric l2

Reads the files of Debian's package dataset-fashion-mnist, and installs it if it is missing and apt-get
may be used. Needs Python's standard library alone.
"""

import array
import gzip
import os
import pathlib
import struct
import subprocess
import sys

SOURCE = pathlib.Path("/usr/share/datasets/fashion-mnist")
PACKAGE = "dataset-fashion-mnist"
FILES = {
    "fashion-mnist.npy": "train-images-idx3-ubyte.gz",
    "fashion-mnist-queries.npy": "t10k-images-idx3-ubyte.gz",
}


def install():
    if all((SOURCE / name).exists() for name in FILES.values()):
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", PACKAGE]
    if subprocess.run(command, stdout=sys.stderr).returncode != 0:
        sys.exit(f"{SOURCE} is not there: install the package {PACKAGE}")


def read_idx(path):
    """Rows, their length and the bytes of an idx3 file: a table of pictures."""
    with gzip.open(path, "rb") as file:
        magic, rows, height, width = struct.unpack(">4I", file.read(16))
        data = file.read()
    if magic != 0x803 or len(data) != rows * height * width:
        sys.exit(f"{path}: not an idx3 file of bytes")
    return rows, height * width, data


def write_npy(path, rows, dim, data):
    values = array.array("f")
    values.extend(data)  # a float for each byte
    if sys.byteorder == "big":
        values.byteswap()
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {dim}), }}"
    header += " " * (-(10 + len(header) + 1) % 64) + "\n"
    part = path.with_suffix(".part")
    with open(part, "wb") as file:
        file.write(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode())
        values.tofile(file)
    os.replace(part, path)


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    into = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else root / "target" / "data"
    install()
    into.mkdir(parents=True, exist_ok=True)
    for name, source in FILES.items():
        rows, dim, data = read_idx(SOURCE / source)
        write_npy(into / name, rows, dim, data)
        print(f"{into / name}: {rows} × {dim}")


main()
