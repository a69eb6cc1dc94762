#!/usr/bin/env python3
"""Writes tests/models/neighbours: a convolution that expects each reading to be the mean of those around it.

    target/train-venv/bin/python tests/models/make.py      # the environment that scripts/train/run makes

It is not trained: what it finds is known beforehand, which a test wants. In int8 as scripts/train writes its models: symmetric,
per tensor, QuantizeLinear and DequantizeLinear around the product, at a batch of 1.
"""

import hashlib
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

POINTS, CLIP, TOLERANCE, THRESHOLD = 32, 4.0, 0.1, 0.05
KERNEL = [0.25, 0.5, 0.25]
FOLDER = pathlib.Path(__file__).parent / "neighbours"


def network():
    nodes, constants = [], []

    def constant(name, value):
        constants.append(numpy_helper.from_array(value, name))
        return name

    def qdq(name, scale):
        pair = [constant(f"{name}_scale", np.array(scale, np.float32)), constant(f"{name}_zero", np.array(0, np.int8))]
        nodes.append(helper.make_node("QuantizeLinear", [name, *pair], [f"{name}_q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", *pair], [f"{name}_dq"]))
        return f"{name}_dq"

    constant("w_q", np.round(np.array(KERNEL) * 127).astype(np.int8).reshape(1, 1, 3))
    constant("w_scale", np.array(1 / 127, np.float32))
    constant("w_zero", np.array(0, np.int8))
    nodes.append(helper.make_node("DequantizeLinear", ["w_q", "w_scale", "w_zero"], ["w"]))
    # The ends are repeated, so that they are not held against zeros.
    x = qdq("input", CLIP / 127)
    first, last, axis = (constant(name, np.array([at], np.int64)) for name, at in [("first", 0), ("last", -1), ("axis", 2)])
    one, end = constant("one", np.array([1], np.int64)), constant("end", np.array([POINTS], np.int64))
    nodes.append(helper.make_node("Slice", [x, first, one, axis], ["head"]))
    nodes.append(helper.make_node("Slice", [x, last, end, axis], ["tail"]))
    nodes.append(helper.make_node("Concat", ["head", x, "tail"], ["padded"], axis=2))
    nodes.append(helper.make_node("Conv", ["padded", "w"], ["smooth"], kernel_shape=[3]))
    nodes.append(helper.make_node("Identity", [qdq("smooth", CLIP / 127)], ["output"]))
    tensor = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, POINTS])
    graph = helper.make_graph(nodes, "neighbours", [tensor("input")], [tensor("output")], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], producer_name="eyot")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model.SerializeToString()


def main():
    FOLDER.mkdir(exist_ok=True)
    body = network()
    (FOLDER / "model.onnx").write_bytes(body)
    session = onnxruntime.InferenceSession(body, providers=["CPUExecutionProvider"])
    infer = lambda x: session.run(None, {"input": x[None, None].astype(np.float32)})[0][0, 0]
    turn = np.arange(POINTS) / POINTS * 2 * np.pi
    golden = [np.sin(turn), np.sign(np.sin(8 * turn)), np.linspace(-CLIP, CLIP, POINTS)]
    row = lambda xs: "[" + ", ".join(repr(round(float(x), 5)) for x in xs) + "]"
    lines = [
        "# Written by tests/models/make.py.",
        'name = "neighbours"', 'version = "1"', 'kind = "autoencoder"', f'sha256 = "{hashlib.sha256(body).hexdigest()}"',
        f"clip = {CLIP}", f"threshold = {THRESHOLD}", "warmup = 0", f"tolerance = {TOLERANCE}",
        "", "[provenance]", 'training_data = "none: it is a moving average"', 'training_sha256 = ""', 'calibration = "none"',
        "", "[readings]", f"points = {POINTS}", 'align = "linear"', "max_age_s = 0.1",
        "", "[[input]]", 'channel = "speed"', "center = 20.0", "scale = 5.0",
    ]
    for x in golden:
        lines += ["", "[[golden]]", f"input = {row(x)}", f"output = {row(infer(x))}"]
    (FOLDER / "manifest.toml").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
