#!/usr/bin/env python3
"""Writes tests/golden/graph_ops.txt: each op of the graph on small inputs, computed in float64 with numpy and scipy.

Made with Python 3.11, numpy 2.4.6, scipy 1.17.1:  python3 tools/golden/graph_ops.py tests/golden/graph_ops.txt
A case is a line `case NAME OP key=value...`, then `in TYPE [shape] values...` or `in none` for each operand, then `out ...`.
"""
import sys

import numpy as np
from scipy.special import erf, softmax

rng = np.random.default_rng(20240607)
lines = []


def f(*shape, scale=1.0):
    return np.round(rng.standard_normal(shape) * scale, 3).astype(np.float32)


def i32(values):
    return np.asarray(values, dtype=np.int32)


def text(tensor):
    kind = "i32" if tensor.dtype == np.int32 else "f32"
    shape = "[" + ",".join(str(s) for s in tensor.shape) + "]"
    return " ".join([kind, shape] + [("%d" if kind == "i32" else "%.9g") % v for v in tensor.ravel()])


def case(name, op, inputs, out, **attributes):
    lines.append(" ".join(["case", name, op] + [f"{k}={v}" for k, v in attributes.items()]))
    for tensor in inputs:
        lines.append("in none" if tensor is None else "in " + text(tensor))
    lines.append("out " + text(out if out.dtype == np.int32 else out.astype(np.float32)))


def wide(tensor):
    return tensor.astype(np.float64)


def conv1d(x, w, bias, stride, padding):
    x = np.pad(wide(x), ((0, 0), (padding, padding), (0, 0)))
    kernel = w.shape[2]
    steps = range(0, x.shape[1] - kernel + 1, stride)
    out = np.stack([np.einsum("bki,oik->bo", x[:, s : s + kernel], wide(w)) for s in steps], axis=1)
    return out if bias is None else out + bias


def heads(x, num_heads):  # [..., len, d] -> [..., heads, len, head_dim]
    return np.swapaxes(wide(x).reshape(x.shape[:-1] + (num_heads, -1)), -3, -2)


def attention(q, k, v, num_heads, scale, lengths=None, causal=False):
    scores = heads(q, num_heads) @ np.swapaxes(heads(k, num_heads), -1, -2) * np.float64(np.float32(scale))
    seen = np.ones((q.shape[0], 1, q.shape[1], k.shape[1]), bool)
    if lengths is not None:
        seen &= np.arange(k.shape[1])[None, None, None] < lengths[:, None, None, None]
    if causal:
        seen &= np.tril(np.ones((q.shape[1], k.shape[1]), bool))
    weights = softmax(np.where(seen, scores, -1e300), axis=-1) * seen
    out = np.swapaxes(weights @ heads(v, num_heads), -3, -2)
    return out.reshape(q.shape)


def cached(q, kc, vc, index, length, num_heads, scale):
    out = np.zeros(q.shape)
    for t in range(q.shape[0]):
        positions = np.arange(length[t])
        slots = np.full(length[t], index[t]) if index.ndim == 1 else index[t, : length[t]]
        if length[t]:
            k, v = kc[slots, positions][None], vc[slots, positions][None]
            out[t] = attention(q[t][None, None], k, v, num_heads, scale)[0, 0]
    return out


x, w, b = f(2, 3, 5), f(9, 5), f(9)
case("linear_bias", "Linear", [x, w, b], wide(x) @ wide(w).T + b)
case("linear_plain", "Linear", [x, w, None], wide(x) @ wide(w).T)
x, w = f(7), f(3, 7)
case("linear_vector", "Linear", [x, w, None], wide(x) @ wide(w).T)

x, w, b = f(2, 7, 3), f(4, 3, 3), f(4)
for stride, padding in [(1, 1), (2, 1), (1, 0), (3, 2)]:
    case(f"conv_s{stride}_p{padding}", "Conv1d", [x, w, b], conv1d(x, w, b, stride, padding), stride=stride, padding=padding)
case("conv_plain", "Conv1d", [x, w, None], conv1d(x, w, None, 1, 1), stride=1, padding=1)

x, g, b = f(3, 4, 6, scale=3) + np.float32(10), f(6), f(6)
mean, var = wide(x).mean(-1, keepdims=True), wide(x).var(-1, keepdims=True)
case("layer_norm", "LayerNorm", [x, g, b], (wide(x) - mean) / np.sqrt(var + 1e-5) * g + b, epsilon=1e-5)
case("layer_norm_wide_epsilon", "LayerNorm", [x, g, b], (wide(x) - mean) / np.sqrt(var + 0.5) * g + b, epsilon=0.5)

x = np.concatenate([f(30, scale=2), np.array([0, 40, -40, -6, 6], np.float32)])
case("gelu", "Gelu", [x], 0.5 * wide(x) * (1 + erf(wide(x) / np.sqrt(2))))

a = f(2, 3, 4)
for b in [f(2, 3, 4), f(4), f(3, 4), f(3, 1), f(2, 1, 4), f(1), f()]:
    case("add_" + ("x".join(map(str, b.shape)) or "scalar"), "Add", [a, b], wide(a) + b)

q, k, v = f(2, 5, 8), f(2, 7, 8), f(2, 7, 8)
case("attention", "Attention", [q, k, v, None], attention(q, k, v, 2, 0.5), num_heads=2, scale=0.5, causal=0)
lengths = i32([3, 0])
case("attention_lengths", "Attention", [q, k, v, lengths], attention(q, k, v, 4, 0.7, lengths), num_heads=4, scale=0.7, causal=0)
k, v = f(2, 5, 8), f(2, 5, 8)
case("attention_causal", "Attention", [q, k, v, None], attention(q, k, v, 1, 0.3, None, True), num_heads=1, scale=0.3, causal=1)
lengths = i32([5, 2])
case("attention_causal_lengths", "Attention", [q, k, v, lengths], attention(q, k, v, 2, 3, lengths, True), num_heads=2, scale=3, causal=1)

table, ids = f(5, 2, 3), i32([4, 0, 0, 2])
case("gather", "Gather", [table, ids], wide(table)[ids])
table = i32([[1, 2], [3, 4], [-5, 2147483647]])
case("gather_i32", "Gather", [table, i32([2, 0])], table[[2, 0]])

cache, rows, slot, position = f(3, 4, 2), f(3, 2), i32([2, 0, 2]), i32([0, 3, 1])
written = cache.copy()
written[slot, position] = rows
case("cache_write", "CacheWrite", [cache, rows, slot, position], written)

q, kc, vc = f(4, 6), f(3, 5, 6), f(3, 5, 6)
index, length = i32([2, 0, 1, 2]), i32([5, 1, 0, 3])
case("cached_attention", "CachedAttention", [q, kc, vc, index, length], cached(q, kc, vc, index, length, 2, 0.6), num_heads=2, scale=0.6, causal=0)
index = i32(rng.integers(0, 3, (4, 4)))
length = i32([4, 1, 0, 3])
case("cached_attention_paged", "CachedAttention", [q, kc, vc, index, length], cached(q, kc, vc, index, length, 3, 0.6), num_heads=3, scale=0.6, causal=0)

x = np.concatenate([f(30, scale=3), np.array([0, 60, -60, -1e-3, 90], np.float32)])
case("relu", "Relu", [x], np.maximum(wide(x), 0))
case("sigmoid", "Sigmoid", [x], 1 / (1 + np.exp(-wide(x))))
x = f(2, 3, 10)
case("magnitude", "Magnitude", [x], np.hypot(wide(x)[..., :5], wide(x)[..., 5:]))
x = f(6, 2, 3)
for front, back in [(0, 0), (1, 0), (0, 1), (2, 3), (6, 0)]:
    case(f"slice_{front}_{back}", "Slice", [x], wide(x)[front : 6 - back], front=front, back=back)


def lstm(x, w_ih, w_hh, bias, state):
    h, c = wide(state)
    rows = []
    for x_t in wide(x):
        gates = x_t @ wide(w_ih).T + h @ wide(w_hh).T + (0 if bias is None else bias)
        i, f, g, o = np.split(gates, 4, axis=-1)
        i, f, o = (1 / (1 + np.exp(-v)) for v in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        rows.append(h)
    return np.stack(rows + [c])


x, w_ih, w_hh, state = f(5, 2, 4), f(12, 4), f(12, 3), f(2, 2, 3)
b = f(12)
case("lstm", "Lstm", [x, w_ih, w_hh, b, state], lstm(x, w_ih, w_hh, b, state))
case("lstm_plain", "Lstm", [x[:1, :1], w_ih, w_hh, None, state[:, :1]], lstm(x[:1, :1], w_ih, w_hh, None, state[:, :1]))


def ragged(q, k, v, offsets, num_heads, scale):
    out = np.zeros(q.shape)
    for begin, end in zip(offsets[:-1], offsets[1:]):
        if end > begin:
            out[begin:end] = attention(q[None, begin:end], k[None, begin:end], v[None, begin:end], num_heads, scale)[0]
    return out


q, k, v = f(9, 8), f(9, 8), f(9, 8)
for name, offsets in [("all", [0, 9]), ("parts", [0, 1, 5, 9]), ("padded", [0, 3, 3, 7]), ("none", [0])]:
    offsets = i32(offsets)
    case("ragged_attention_" + name, "RaggedAttention", [q, k, v, offsets], ragged(q, k, v, offsets, 2, 0.4), num_heads=2, scale=0.4, causal=0)

with open(sys.argv[1], "w", encoding="ascii") as out:
    out.write("\n".join(lines) + "\n")
