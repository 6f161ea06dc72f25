"""The encoder as an ONNX file with 8-bit weights, and back.

The graph is written node by node, with the fused operators of ONNX Runtime, so that it is as small and as fast as the
architecture allows. Every matrix is stored in 7 of 8 bits with a scale for each column (each token, for embeddings):
at full range two products of 8-bit numbers overflow the 16-bit sums of processors without VNNI, and the same file
would give other results on other machines. Not here: thresholds and the manifest (`samantha.recipes.encoder`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from samantha.training.models.encoder import Shape

LARGEST = 63  # of a stored weight: 255 * 63 * 2 fits into 16 bits
OPSET, MICROSOFT = 17, "com.microsoft"
POSITIONS = 48  # tokens of a window; longer texts are read in several: one line of danger is lost in long ones
Array = NDArray[np.float32]


class _Graph:
    """Nodes and weights in the order in which they are added; each method returns the name of its output."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = {name: tensor.detach().float().numpy() for name, tensor in weights.items()}
        self.nodes: list[onnx.NodeProto] = []
        self.stored: dict[str, onnx.TensorProto] = {}

    def add(self, operator: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any) -> str:
        names = [f"{operator}_{len(self.nodes)}" + (f"_{number}" if outputs > 1 else "") for number in range(outputs)]
        self.nodes.append(helper.make_node(operator, list(inputs), names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names[0][: -len("_0")]

    def keep(self, name: str, array: NDArray[np.generic]) -> str:
        self.stored[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def plain(self, name: str) -> str:
        return self.keep(name, self.weights[name])

    def linear(self, hidden: str, name: str, *, bias: bool = True) -> str:
        """`hidden` times the quantized matrix `name`, whose input is quantized as it comes."""
        stored, scale = quantized(self.weights[f"{name}.weight"])
        inputs = [hidden, self.keep(f"{name}.weight.quantized", stored.T), self.keep(f"{name}.weight.scale", scale), ""]
        if bias:
            inputs.append(self.plain(f"{name}.bias"))
        return self.add("DynamicQuantizeMatMul", *inputs, domain=MICROSOFT)

    def norm(self, hidden: str, name: str, epsilon: float, *, residual: str = "") -> str:
        """Normalization, after adding `residual` where there is one."""
        gamma, beta = self.plain(f"{name}.weight"), self.plain(f"{name}.bias")
        if residual:
            return self.add("SkipLayerNormalization", hidden, residual, gamma, beta, domain=MICROSOFT, epsilon=epsilon)
        return self.add("LayerNormalization", hidden, gamma, beta, axis=-1, epsilon=epsilon)


def quantized(matrix: Array) -> tuple[NDArray[np.int8], Array]:
    """Integers of at most `LARGEST`, and the scale of each row of `matrix` (rows, columns)."""
    scale = np.abs(matrix).max(axis=1) / LARGEST
    scale[scale == 0] = 1.0
    return np.round(matrix / scale[:, None]).astype(np.int8), scale.astype(np.float32)


def write_onnx(weights: Mapping[str, Tensor], shape: Shape, path: Path) -> None:
    """The encoder with `weights` (the state of `samantha.training.models.encoder.Encoder`) as an ONNX file.

    Inputs `ids` and `mask` (batch, tokens), int64. Outputs `vector` (batch, width), `pooled` (batch, 2 * width), and
    for each head its logits (batch, labels).
    """
    graph = _Graph(weights)
    hidden = _embedded(graph, shape)
    seen = graph.add("Cast", "mask", to=TensorProto.INT32)
    for number in range(shape.layers):
        hidden = _layer(graph, hidden, seen, f"trunk.layers.{number}", shape)
    mean, pooled = _pooled(graph, hidden)
    direction = graph.linear(mean, "vector", bias=False)
    graph.nodes.append(helper.make_node("LpNormalization", [direction], ["vector"], axis=-1, p=2))
    graph.nodes.append(helper.make_node("Identity", [pooled], ["pooled"]))
    for name in shape.heads:
        inner = graph.add("Gelu", graph.linear(pooled, f"heads.{name}.hidden"), domain=MICROSOFT)
        matrix = graph.keep(f"heads.{name}.labels.weight", graph.weights[f"heads.{name}.labels.weight"])
        graph.nodes.append(
            helper.make_node("Gemm", [inner, matrix, graph.plain(f"heads.{name}.labels.bias")], [name], transB=1)
        )
    sizes = {"vector": shape.width, "pooled": 2 * shape.width, **shape.heads}
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "samantha-encoder",
            [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"]) for name in ("ids", "mask")],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size]) for name, size in sizes.items()],
            initializer=list(graph.stored.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)],
        ir_version=8,
        producer_name="samantha",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


def _embedded(graph: _Graph, shape: Shape) -> str:
    stored, scale = quantized(graph.weights["trunk.tokens.weight"])
    rows = graph.add("Gather", graph.keep("trunk.tokens.weight.quantized", stored), "ids")
    scales = graph.add("Gather", graph.keep("trunk.tokens.weight.scale", scale[:, None]), "ids")
    tokens = graph.add("Mul", graph.add("Cast", rows, to=TensorProto.FLOAT), scales)
    first = graph.keep("first", np.array([0], np.int64))
    length = graph.add("Gather", graph.add("Shape", "ids"), graph.keep("second", np.array([1], np.int64)))
    table = graph.keep("trunk.positions.weight", graph.weights["trunk.positions.weight"][:POSITIONS])
    positions = graph.add("Slice", table, first, length)
    return graph.norm(graph.add("Add", tokens, positions), "trunk.norm", shape.norm_epsilon)


def _layer(graph: _Graph, hidden: str, seen: str, name: str, shape: Shape) -> str:
    projected = graph.linear(hidden, f"{name}.query_key_value")
    parts = graph.add(
        "Split", projected, graph.keep("thirds", np.array([shape.width] * 3, np.int64)), outputs=3, axis=-1
    )
    attention = graph.add(
        "MultiHeadAttention",
        *(f"{parts}_{number}" for number in range(3)),
        "",
        seen,
        domain=MICROSOFT,
        num_heads=shape.attention_heads,
    )
    attended = graph.linear(attention, f"{name}.attended")
    hidden = graph.norm(attended, f"{name}.attention_norm", shape.norm_epsilon, residual=hidden)
    up = graph.linear(hidden, f"{name}.up", bias=False)
    inner = graph.add("BiasGelu", up, graph.plain(f"{name}.up.bias"), domain=MICROSOFT)
    down = graph.linear(inner, f"{name}.down")
    return graph.norm(down, f"{name}.norm", shape.norm_epsilon, residual=hidden)


def _pooled(graph: _Graph, hidden: str) -> tuple[str, str]:
    """Mean of the hidden states, and mean and maximum side by side."""
    last = graph.keep("last", np.array([-1], np.int64))
    weight = graph.add("Cast", graph.add("Unsqueeze", "mask", last), to=TensorProto.FLOAT)
    token_axis = graph.keep("token_axis", np.array([1], np.int64))
    total = graph.add("ReduceSum", graph.add("Mul", hidden, weight), token_axis, keepdims=0)
    mean = graph.add("Div", total, graph.add("ReduceSum", weight, token_axis, keepdims=0))
    there = graph.add("Cast", weight, to=TensorProto.BOOL)
    lowest = graph.keep("lowest", np.array(-1e9, np.float32))
    highest = graph.add("ReduceMax", graph.add("Where", there, hidden, lowest), axes=[1], keepdims=0)
    return mean, graph.add("Concat", mean, highest, axis=-1)


def read_onnx(path: Path) -> dict[str, Tensor]:
    """The weights of a file that `write_onnx` wrote, under the names of the PyTorch model, as 32-bit floats."""
    stored = {one.name: numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer}
    weights = {}
    for name, array in stored.items():
        if name.endswith(".quantized"):
            plain = name.removesuffix(".quantized")
            scale = stored[f"{plain}.scale"].astype(np.float32)
            rows = array if scale.ndim == 2 else array.T
            weights[plain] = torch.from_numpy(rows.astype(np.float32) * scale.reshape(-1, 1))
        elif name.endswith((".weight", ".bias")):
            weights[name] = torch.from_numpy(array.copy())
    return weights
