#!/usr/bin/env python3
"""Trains the demo's model: a dense autoencoder on window features of simulated, healthy pumps.

    scripts/train/run            # features, training, int8, verification; writes config/models/pump

The features come from the agent's own pipeline (eyot-lab features), so the model is trained on
exactly what it will see. It is small enough for plain numpy: two hidden layers, Adam, denoising.
Everything random follows from SEED, so that the same features give the same weights, and the ONNX
file is built node by node: QuantizeLinear and DequantizeLinear around every product (QDQ), int8,
per tensor, symmetric, at a fixed batch of 1.
"""

import argparse
import csv
import hashlib
import io
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

SEED = 20260101
CHANNELS = ["vibration", "current", "pressure", "flow"]
# Window features and the offset of their logarithm, if they spread over magnitudes. The spread within
# a window is left to the statistical detectors: it made the model less sensitive to everything else.
FEATURES = [("mean", None)]
HIDDEN, BOTTLENECK = 16, 2
CLIP = 12.0
NOISE = 0.2
EPOCHS = 60
# Windows of a device over which its own mean residual is learnt, and when that starts to forget.
WARMUP, MEMORY = 20, 720
QUANTILE = 0.9999
HEADROOM = 1.5
TOLERANCE = 0.2


def read(path):
    """Columns of the feature table, and the SHA-256 of its bytes."""
    text = pathlib.Path(path).read_bytes()
    rows = list(csv.reader(io.StringIO(text.decode())))
    table = {name: np.array([float(row[i]) for row in rows[1:]]) for i, name in enumerate(rows[0]) if i > 0}
    devices = np.array([row[0] for row in rows[1:]])
    return table, devices, hashlib.sha256(text).hexdigest()


def inputs(table):
    """Inputs as (channel, feature, offset), and their values, one row a window."""
    specs, columns = [], []
    for channel in CHANNELS:
        for feature, offset in FEATURES:
            column = table[f"{channel}.{feature}"]
            specs.append((channel, feature, offset))
            columns.append(column if offset is None else np.log(column + offset))
    return specs, np.stack(columns, axis=1)


class Autoencoder:
    """x → tanh-free ReLU layers → x, trained to remove noise."""

    def __init__(self, rng, sizes):
        self.w = [rng.normal(0, np.sqrt(2 / a), (a, b)) for a, b in zip(sizes, sizes[1:])]
        self.b = [np.zeros(b) for b in sizes[1:]]

    def forward(self, x):
        acts = [x]
        for i, (w, b) in enumerate(zip(self.w, self.b)):
            x = x @ w + b
            if i + 1 < len(self.w):
                x = np.maximum(x, 0)
            acts.append(x)
        return acts

    def train(self, rng, data, epochs, noise):
        params = self.w + self.b
        m = [np.zeros_like(p) for p in params]
        v = [np.zeros_like(p) for p in params]
        step = 0
        for epoch in range(epochs):
            rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * epoch / epochs)) + 1e-5
            for batch in np.array_split(rng.permutation(len(data)), max(1, len(data) // 256)):
                clean = data[batch]
                acts = self.forward(clean + rng.normal(0, noise, clean.shape))
                grad = 2 * (acts[-1] - clean) / clean.size
                gw, gb = [], []
                for i in reversed(range(len(self.w))):
                    gw.insert(0, acts[i].T @ grad)
                    gb.insert(0, grad.sum(axis=0))
                    grad = grad @ self.w[i].T
                    if i:
                        grad = grad * (acts[i] > 0)
                step += 1
                for p, g, mi, vi in zip(params, gw + gb, m, v):
                    mi += 0.1 * (g - mi)
                    vi += 0.001 * (g * g - vi)
                    p -= rate * (mi / (1 - 0.9**step)) / (np.sqrt(vi / (1 - 0.999**step)) + 1e-8)


def centred(residuals, devices):
    """Mean squared residual of every window past the warm-up, after subtracting what the agent would
    have learnt of the device by then: its mean residual, forgetting after MEMORY windows."""
    errors = []
    for device in np.unique(devices):
        mean = np.zeros(residuals.shape[1])
        for k, residual in enumerate(residuals[devices == device]):
            if k >= WARMUP:
                errors.append(((residual - mean) ** 2).mean())
            mean += (residual - mean) / min(k + 1, MEMORY)
    return np.array(errors)


def scale_of(values):
    """Symmetric int8 scale that covers all of `values`."""
    return max(float(np.abs(values).max()), 1e-6) / 127


def export(model, calibration, path):
    """Writes the QDQ graph. Activations are covered up to the clip, so that nothing a fault can do
    saturates before the input does."""
    nodes, constants = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(value, name))
        return name

    def qdq(name, scale):
        s = constant(f"{name}_scale", np.array(scale, np.float32))
        z = constant(f"{name}_zero", np.array(0, np.int8))
        nodes.append(helper.make_node("QuantizeLinear", [name, s, z], [f"{name}_q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", s, z], [f"{name}_dq"]))
        return f"{name}_dq"

    acts = model.forward(calibration)
    x = qdq("input", CLIP / 127)
    last = len(model.w) - 1
    for i, (w, b) in enumerate(zip(model.w, model.b)):
        ws = scale_of(w)
        constant(f"w{i}_q", np.clip(np.round(w / ws), -127, 127).astype(np.int8))
        s, z = constant(f"w{i}_scale", np.array(ws, np.float32)), constant(f"w{i}_zero", np.array(0, np.int8))
        nodes.append(helper.make_node("DequantizeLinear", [f"w{i}_q", s, z], [f"w{i}"]))
        nodes.append(helper.make_node("MatMul", [x, f"w{i}"], [f"mm{i}"]))
        nodes.append(helper.make_node("Add", [f"mm{i}", constant(f"b{i}", b.astype(np.float32))], [f"add{i}"]))
        out = f"add{i}"
        if i < last:
            nodes.append(helper.make_node("Relu", [out], [f"relu{i}"]))
            out = f"relu{i}"
        x = qdq(out, scale_of(acts[i + 1]) * (2.0 if i < last else 1.5))
    nodes.append(helper.make_node("Identity", [x], ["output"]))
    n = calibration.shape[1]
    tensor = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, n])
    graph = helper.make_graph(nodes, "pump", [tensor("input")], [tensor("output")], constants)
    onnx_model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="eyot")
    onnx_model.ir_version = 8
    onnx.checker.check_model(onnx_model)
    path.write_bytes(onnx_model.SerializeToString())


def manifest(path, **m):
    """Writes the manifest by hand, so that it reads well."""
    num = lambda x: repr(round(float(x), 7))
    row = lambda xs: "[" + ", ".join(num(x) for x in xs) + "]"
    lines = [
        "# Written by scripts/train; what it means is in docs/models.md.",
        f'name = "{m["name"]}"', f'version = "{m["version"]}"', 'kind = "autoencoder"',
        f'sha256 = "{m["sha256"]}"', f"clip = {CLIP}", f"threshold = {num(m['threshold'])}", f"warmup = {WARMUP}", f"tolerance = {TOLERANCE}",
        "", "[provenance]", f'training_data = "{m["training_data"]}"',
        f'training_sha256 = "{m["training_sha256"]}"', f'calibration = "{m["calibration"]}"',
    ]
    for (channel, feature, offset), center, scale in zip(m["specs"], m["center"], m["scale"]):
        lines += ["", "[[input]]", f'channel = "{channel}"', f'feature = "{feature}"']
        lines += [f"log_offset = {offset}"] if offset is not None else []
        lines += [f"center = {num(center)}", f"scale = {num(scale)}"]
    for x, y in m["golden"]:
        lines += ["", "[[golden]]", f"input = {row(x)}", f"output = {row(y)}"]
    path.write_text("\n".join(lines) + "\n")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--train", required=True)
    args.add_argument("--calibrate", required=True, help="other devices, from another seed")
    args.add_argument("--data", required=True, help="how the features were made, for the manifest")
    args.add_argument("--out", required=True, type=pathlib.Path)
    args = args.parse_args()

    rng = np.random.default_rng(SEED)
    table, _, digest = read(args.train)
    specs, raw = inputs(table)
    center, scale = raw.mean(axis=0), raw.std(axis=0)
    data = np.clip((raw - center) / scale, -CLIP, CLIP)
    n = data.shape[1]
    model = Autoencoder(rng, [n, HIDDEN, BOTTLENECK, HIDDEN, n])
    model.train(rng, data, EPOCHS, NOISE)

    args.out.mkdir(parents=True, exist_ok=True)
    network = args.out / "model.onnx"
    export(model, data, network)

    session = onnxruntime.InferenceSession(network.read_bytes(), providers=["CPUExecutionProvider"])
    infer = lambda rows: np.concatenate([session.run(None, {"input": r[None].astype(np.float32)})[0] for r in rows])
    table, devices, _ = read(args.calibrate)
    _, raw = inputs(table)
    held_out = np.clip((raw - center) / scale, -CLIP, CLIP)
    errors = centred(held_out - infer(held_out), devices)
    float_errors = centred(held_out - model.forward(held_out)[-1], devices)
    threshold = float(np.quantile(errors, QUANTILE)) * HEADROOM
    print(f"windows: {len(data)} to train, {len(held_out)} to calibrate")
    print(f"mean squared residual: float {float_errors.mean():.4f}, int8 {errors.mean():.4f}, threshold {threshold:.4f}")

    picks = held_out[rng.choice(len(held_out), 4, replace=False)]
    odd = np.clip(picks[:2] + rng.normal(0, 4, picks[:2].shape), -CLIP, CLIP)
    golden = np.concatenate([picks, odd]).astype(np.float32)
    manifest(
        args.out / "manifest.toml", name="pump", version="1",
        sha256=hashlib.sha256(network.read_bytes()).hexdigest(), threshold=threshold,
        training_data=args.data, training_sha256=digest,
        calibration=f"{QUANTILE} quantile of {len(errors)} windows of other healthy devices, times {HEADROOM}",
        specs=specs, center=center, scale=scale, golden=list(zip(golden, infer(golden))),
    )
    print(f"wrote {args.out}: {network.stat().st_size} bytes")


if __name__ == "__main__":
    main()
