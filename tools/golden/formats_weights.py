#!/usr/bin/env python3
"""Golden files of the format readers, written by the libraries that define the formats.

usage: formats_weights.py OUT_DIR        (tests/golden/formats)
Needs: numpy 2.4.6, safetensors 0.8.0, gguf 0.19.0, ctranslate2 4.8.5.
  mixed.safetensors           every dtype numpy has, metadata, odd offsets; by safetensors
  int8.ct2 int16.ct2 f16.ct2  a Linear in three precisions, with an alias; by ctranslate2's own spec serialiser
  linear.npy                  the same Linear's weight before quantisation
  blocks.ggml                 a whisper.cpp file with one weight of each block encoding; blocks quantised by gguf
  q4_0.npy ...                what gguf dequantises them to
  wheel.zip                   stored and deflated members; by zipfile
"""
import os, struct, sys, tempfile, shutil, zipfile
import numpy as np

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
rng = np.random.default_rng(7)


def safetensors():
    from safetensors.numpy import save_file
    save_file({
        'flag': np.array([True, False, True]), 'f32': np.arange(6, dtype=np.float32).reshape(2, 3) / 4,
        'f16': np.array([1.5, -2.25], np.float16), 'i8': np.array([[-128, 127, 3]], np.int8), 'u8': np.array([255], np.uint8),
        'i32': np.array([-7, 1 << 30], np.int32), 'i64': np.array([[1 << 40], [-1]], np.int64), 'scalar': np.array(2.5, np.float32),
    }, out + '/mixed.safetensors', metadata={'format': 'np', 'note': 'gru\u00df'})


def ctranslate2():
    from ctranslate2.specs import common_spec, model_spec

    class Spec(model_spec.ModelSpec):
        name = property(lambda self: 'GoldenSpec')
        revision = property(lambda self: 2)

        def __init__(self, weight, bias):
            self.a = common_spec.LinearSpec()
            self.b = common_spec.LinearSpec()
            self.a.weight, self.a.bias = weight, bias
            self.b.weight, self.b.bias = weight.copy(), bias + 1

    weight = rng.standard_normal((4, 6)).astype(np.float32)
    np.save(out + '/linear.npy', weight)
    for kind, name in (('int8', 'int8'), ('int16', 'int16'), ('float16', 'f16')):
        spec = Spec(weight.copy(), np.arange(4, dtype=np.float32))
        spec.validate()
        spec.optimize(quantization=kind)
        folder = tempfile.mkdtemp()
        spec._serialize(folder + '/model.bin')
        shutil.copy(folder + '/model.bin', f'{out}/{name}.ct2')
        shutil.rmtree(folder)


def ggml():
    import gguf
    types = {'q4_0': 2, 'q4_1': 3, 'q5_0': 6, 'q5_1': 7, 'q8_0': 8}
    with open(out + '/blocks.ggml', 'wb') as f:
        f.write(struct.pack('<12I', 0x67676d6c, 5, 10, 64, 2, 1, 6, 64, 2, 1, 2, 2008))
        f.write(struct.pack('<2i', 2, 3)); f.write(np.arange(6, dtype=np.float32).tobytes())
        f.write(struct.pack('<i', 3))
        for token in (b'a', b'', b'\xc3\xa9'): f.write(struct.pack('<I', len(token)) + token)
        for name, number in types.items():
            kind = gguf.GGMLQuantizationType[name.upper()]
            blocks = gguf.quants.quantize(rng.standard_normal((3, 64)).astype(np.float32), kind)
            np.save(f'{out}/{name}.npy', gguf.quants.dequantize(blocks, kind).astype(np.float32))
            f.write(struct.pack('<3i', 2, len(name), number) + struct.pack('<2i', 64, 3) + name.encode() + blocks.tobytes())
        half = np.array([[1.0], [-0.5]], np.float16)
        f.write(struct.pack('<3i', 2, 4, 1) + struct.pack('<2i', 1, 2) + b'half' + half.tobytes())


def wheel():
    with zipfile.ZipFile(out + '/wheel.zip', 'w') as z:
        for name, kind, text in (('pkg/data/stored.bin', zipfile.ZIP_STORED, b'stored part, '),
                                 ('pkg/data/deflated.bin', zipfile.ZIP_DEFLATED, b'deflated part. ' * 200)):
            info = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)); info.compress_type = kind
            z.writestr(info, text)


safetensors(); ctranslate2(); ggml(); wheel()
