"""Reads the weights of a Whisper model in CTranslate2's format, any size, and gives them the names of other frameworks.

Only numpy is needed. The layout read here (little endian): u32 version, spec name, u32 revision, u32 count, then per variable
name, u8 rank, u32 dims, u8 type, u32 bytes, data; then u32 count of aliases, each two names. A name is a u16 length that counts
a closing zero byte. Fused projections are split: self-attention linear_0 holds query, key, value; cross-attention linear_1 holds
key, value. Keys have no bias in Whisper (the fused bias holds zeros there).
"""
import dataclasses
import json
import pathlib
import struct

import numpy as np

_KINDS = (np.float32, np.int8, np.int16, np.int32, np.float16)


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Field for field openai-whisper's ModelDimensions."""
    n_mels: int
    n_audio_ctx: int
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int
    n_text_state: int
    n_text_head: int
    n_text_layer: int


class _Cursor:
    def __init__(self, data):
        self.data, self.offset = data, 0

    def number(self, code):
        value = struct.unpack_from("<" + code, self.data, self.offset)[0]
        self.offset += struct.calcsize("<" + code)
        return value

    def name(self):
        length = self.number("H")
        value = self.data[self.offset:self.offset + length - 1].decode()
        self.offset += length
        return value


def read_variables(model_bin):
    """All variables of a model.bin by name, aliases included."""
    cursor = _Cursor(pathlib.Path(model_bin).read_bytes())
    version = cursor.number("I")
    if version < 6:
        raise ValueError(f"{model_bin}: expected model.bin version 6 or later, found {version}")
    spec = cursor.name()
    if spec != "WhisperSpec":
        raise ValueError(f"{model_bin}: expected a WhisperSpec, found {spec}")
    cursor.number("I")  # revision of the spec
    variables = {}
    for _ in range(cursor.number("I")):
        name = cursor.name()
        dims = [cursor.number("I") for _ in range(cursor.number("B"))]
        kind = np.dtype(_KINDS[cursor.number("B")])
        size = cursor.number("I")
        variables[name] = np.frombuffer(cursor.data, kind, size // kind.itemsize, cursor.offset).reshape(dims)
        cursor.offset += size
    for _ in range(cursor.number("I")):
        alias = cursor.name()
        variables[alias] = variables[cursor.name()]
    return variables


def sizes_of(variables):
    """The model's sizes, from the shapes and the head counts the file stores."""

    def count(side):
        layer = 0
        while f"{side}/layer_{layer}/ffn/linear_0/weight" in variables:
            layer += 1
        return layer

    width, mels, _ = variables["encoder/conv1/weight"].shape
    vocab, text_width = variables["decoder/embeddings/weight"].shape
    heads = {side: int(variables[f"{side}/num_heads"]) for side in ("encoder", "decoder")}
    return Sizes(
        n_mels=mels, n_audio_ctx=variables["encoder/position_encodings/encodings"].shape[0], n_audio_state=width,
        n_audio_head=heads["encoder"], n_audio_layer=count("encoder"), n_vocab=vocab,
        n_text_ctx=variables["decoder/position_encodings/encodings"].shape[0], n_text_state=text_width,
        n_text_head=heads["decoder"], n_text_layer=count("decoder"))


def openai_state(variables):
    """openai-whisper's state dict as float32 numpy arrays."""
    state = {}

    def put(target, weight, bias):
        state[target + ".weight"] = np.array(weight, np.float32)
        if bias is not None:
            state[target + ".bias"] = np.array(bias, np.float32)

    def linear(target, source):
        put(target, variables[source + "/weight"], variables[source + "/bias"])

    def norm(target, source):
        put(target, variables[source + "/gamma"], variables[source + "/beta"])

    def fused(targets, source, width):
        weight, bias = variables[source + "/weight"], variables[source + "/bias"]
        for i, target in enumerate(targets):
            rows = slice(i * width, (i + 1) * width)
            put(target, weight[rows], None if target.endswith(".key") else bias[rows])

    sizes = sizes_of(variables)
    for side, layers, width in (("encoder", sizes.n_audio_layer, sizes.n_audio_state),
                                ("decoder", sizes.n_text_layer, sizes.n_text_state)):
        for i in range(layers):
            source, target = f"{side}/layer_{i}", f"{side}.blocks.{i}"
            fused([f"{target}.attn.{n}" for n in ("query", "key", "value")], f"{source}/self_attention/linear_0", width)
            linear(f"{target}.attn.out", f"{source}/self_attention/linear_1")
            norm(f"{target}.attn_ln", f"{source}/self_attention/layer_norm")
            if side == "decoder":
                linear(f"{target}.cross_attn.query", f"{source}/attention/linear_0")
                fused([f"{target}.cross_attn.{n}" for n in ("key", "value")], f"{source}/attention/linear_1", width)
                linear(f"{target}.cross_attn.out", f"{source}/attention/linear_2")
                norm(f"{target}.cross_attn_ln", f"{source}/attention/layer_norm")
            linear(f"{target}.mlp.0", f"{source}/ffn/linear_0")
            linear(f"{target}.mlp.2", f"{source}/ffn/linear_1")
            norm(f"{target}.mlp_ln", f"{source}/ffn/layer_norm")
        state[f"{side}.positional_embedding"] = np.array(variables[f"{side}/position_encodings/encodings"], np.float32)
        norm(f"{side}.ln_post" if side == "encoder" else f"{side}.ln", f"{side}/layer_norm")
    for conv in ("conv1", "conv2"):
        linear(f"encoder.{conv}", f"encoder/{conv}")
    state["decoder.token_embedding.weight"] = np.array(variables["decoder/embeddings/weight"], np.float32)
    return state


def load_openai_model(ct2_dir, dtype=None):
    """An openai-whisper model in torch (float32, or `dtype`) with the folder's weights and alignment heads."""
    import torch
    import whisper

    ct2_dir = pathlib.Path(ct2_dir).expanduser()
    variables = read_variables(ct2_dir / "model.bin")
    sizes = sizes_of(variables)
    model = whisper.model.Whisper(whisper.model.ModelDimensions(**dataclasses.asdict(sizes)))
    model.load_state_dict({k: torch.from_numpy(v) for k, v in openai_state(variables).items()}, strict=True)
    heads = torch.zeros(sizes.n_text_layer, sizes.n_text_head, dtype=torch.bool)
    for layer, head in json.loads((ct2_dir / "config.json").read_text())["alignment_heads"]:
        heads[layer, head] = True
    model.register_buffer("alignment_heads", heads.to_sparse(), persistent=False)
    return model.eval() if dtype is None else model.eval().to(dtype)
