#!/usr/bin/env python3
"""A tiny Whisper model with random weights in the three file formats, and what openai-whisper computes with it.

usage: whisper_tiny_random.py OUT_DIR
  OUT_DIR/hf/            config.json, generation_config.json, model.safetensors (float16), written by transformers
  OUT_DIR/ctranslate2/   model.bin (float16), config.json, vocabulary.json, written by CTranslate2's own converter classes
  OUT_DIR/ggml-tiny-random.bin   whisper.cpp's layout, matrices float16, the rest float32
  OUT_DIR/expected.safetensors   mel [100, 80] in; encoder output, cross keys and values, logits out
  OUT_DIR/expected.json          sizes, tolerances, agreement of the frameworks, versions

All weights are float16 numbers, so the three files hold equal values and must give equal bits when one program reads them.
Needs openai-whisper, torch, transformers < 5, ctranslate2, safetensors.
"""
import argparse
import dataclasses
import json
import pathlib
import shutil
import struct

import ctranslate2
import numpy as np
import torch
import transformers
import whisper
from ctranslate2.converters.transformers import WhisperLoader
from safetensors.numpy import save_file

import ct2_weights
from whisper_stages import FACTOR, PlainLayerNorm, become, worst

SIZES = ct2_weights.Sizes(n_mels=80, n_audio_ctx=50, n_audio_state=64, n_audio_head=4, n_audio_layer=2, n_vocab=331,
                          n_text_ctx=48, n_text_state=64, n_text_head=4, n_text_layer=1)
ALIGNMENT_HEADS = [[0, 1], [0, 3]]
TEXT_TOKENS = [bytes([b]) for b in range(256)] + [b" the"]
NUM_TOKENS = 20

HF_PARTS = {
    "attn.query": "self_attn.q_proj", "attn.key": "self_attn.k_proj", "attn.value": "self_attn.v_proj",
    "attn.out": "self_attn.out_proj", "attn_ln": "self_attn_layer_norm", "cross_attn.query": "encoder_attn.q_proj",
    "cross_attn.key": "encoder_attn.k_proj", "cross_attn.value": "encoder_attn.v_proj",
    "cross_attn.out": "encoder_attn.out_proj", "cross_attn_ln": "encoder_attn_layer_norm", "mlp.0": "fc1", "mlp.2": "fc2",
    "mlp_ln": "final_layer_norm"}


def random_state(model, generator):
    """Lively but tame weights, each a float16 number: unit gain in the matrices, norms near 1, biases that matter."""
    state = {}
    for name, tensor in model.state_dict().items():
        values = torch.randn(tensor.shape, generator=generator)
        if name.endswith(".bias"):
            values *= 0.2
        elif "_ln" in name or ".ln" in name:
            values = 1 + 0.2 * values
        elif "positional" in name:
            values *= 0.5
        elif "token_embedding" not in name:
            values /= tensor[0].numel() ** 0.5
        state[name] = values.half().float()
    return state


def hf_name(name):
    side, rest = name.split(".", 1)
    if rest.startswith("blocks."):
        _, layer, part = rest.split(".", 2)
        part, kind = part.rsplit(".", 1)
        return f"model.{side}.layers.{layer}.{HF_PARTS[part]}.{kind}"
    for old, new in (("positional_embedding", "embed_positions.weight"), ("token_embedding", "embed_tokens"),
                     ("ln_post", "layer_norm"), ("ln.", "layer_norm.")):
        rest = rest.replace(old, new)
    return f"model.{side}.{rest}"


def hf_model(state):
    s = SIZES
    config = transformers.WhisperConfig(
        vocab_size=s.n_vocab, num_mel_bins=s.n_mels, d_model=s.n_audio_state, encoder_layers=s.n_audio_layer,
        decoder_layers=s.n_text_layer, encoder_attention_heads=s.n_audio_head, decoder_attention_heads=s.n_text_head,
        encoder_ffn_dim=4 * s.n_audio_state, decoder_ffn_dim=4 * s.n_text_state, max_source_positions=s.n_audio_ctx,
        max_target_positions=s.n_text_ctx, pad_token_id=1, bos_token_id=1, eos_token_id=1, decoder_start_token_id=2,
        suppress_tokens=None, begin_suppress_tokens=None)
    model = transformers.WhisperForConditionalGeneration(config)
    tensors = {hf_name(name): tensor for name, tensor in state.items()}
    tensors["proj_out.weight"] = state["decoder.token_embedding.weight"]
    model.load_state_dict(tensors, strict=True)
    model.generation_config = transformers.GenerationConfig(
        decoder_start_token_id=2, eos_token_id=1, pad_token_id=1, max_length=s.n_text_ctx, suppress_tokens=[],
        begin_suppress_tokens=[], alignment_heads=ALIGNMENT_HEADS, lang_to_id={}, is_multilingual=False)
    return model.eval()


def write_ctranslate2(model, folder):
    shutil.rmtree(folder, ignore_errors=True)  # the writer refuses an existing folder
    loader = WhisperLoader()
    spec = loader.get_model_spec(model)
    loader.set_config(spec.config, model, None)
    spec.register_vocabulary([f"token{i}" for i in range(SIZES.n_vocab)])
    spec.validate()
    spec.optimize(quantization="float16")
    folder.mkdir()
    spec.save(str(folder))


def write_ggml(state, path):
    s = SIZES
    filters = whisper.audio.mel_filters("cpu", s.n_mels).numpy()
    with open(path, "wb") as f:
        f.write(struct.pack("<12i", 0x67676D6C, s.n_vocab, s.n_audio_ctx, s.n_audio_state, s.n_audio_head, s.n_audio_layer,
                            s.n_text_ctx, s.n_text_state, s.n_text_head, s.n_text_layer, s.n_mels, 1))
        f.write(struct.pack("<2i", *filters.shape) + filters.astype("<f4").tobytes())
        f.write(struct.pack("<i", len(TEXT_TOKENS)))
        for token in TEXT_TOKENS:
            f.write(struct.pack("<i", len(token)) + token)
        for name, tensor in state.items():
            array = tensor.numpy()
            if name.startswith("encoder.conv") and name.endswith(".bias"):
                array = array.reshape(-1, 1)
            is_float = tensor.ndim == 1 or "positional_embedding" in name
            encoded = name.encode()
            f.write(struct.pack("<3i", array.ndim, len(encoded), 0 if is_float else 1))
            f.write(struct.pack(f"<{array.ndim}i", *reversed(array.shape)) + encoded)
            f.write(array.astype("<f4" if is_float else "<f2").tobytes())


@torch.no_grad()
def outputs(model, mel, tokens):
    """Cross keys and values per layer, encoder output and logits, in the model's type."""
    dtype, result = model.encoder.conv1.weight.dtype, {}
    encoded = model.encoder(mel.T[None].to(dtype))
    hidden = {}
    hook = model.decoder.ln.register_forward_hook(lambda _m, _i, out: hidden.update(ln=out))
    model.decoder(tokens[None], encoded)
    hook.remove()
    result["encoder.output"] = encoded[0]
    for i, block in enumerate(model.decoder.blocks):
        result[f"cross{i}.key"], result[f"cross{i}.value"] = block.cross_attn.key(encoded)[0], block.cross_attn.value(encoded)[0]
    result["logits"] = (hidden["ln"] @ model.decoder.token_embedding.weight.T)[0]
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out_dir", type=pathlib.Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(7)
    dims = whisper.model.ModelDimensions(**dataclasses.asdict(SIZES))
    model = whisper.model.Whisper(dims).eval()
    state = random_state(model, generator)
    model.load_state_dict(state)
    exact = whisper.model.Whisper(dims).eval().double()
    exact.load_state_dict(state)
    become(exact, whisper.model.LayerNorm, PlainLayerNorm)

    mel = torch.rand(2 * SIZES.n_audio_ctx, SIZES.n_mels, generator=generator) * 2 - 0.5
    tokens = torch.randint(SIZES.n_vocab, (NUM_TOKENS,), generator=generator)
    result, result64 = outputs(model, mel, tokens), outputs(exact, mel, tokens)

    args.out_dir.mkdir(parents=True, exist_ok=True)
    hf = hf_model(state)
    with torch.no_grad():
        hf_logits = hf(input_features=mel.T[None], decoder_input_ids=tokens[None]).logits[0]
    write_ctranslate2(hf, args.out_dir / "ctranslate2")
    hf.half().save_pretrained(args.out_dir / "hf")
    write_ggml(state, args.out_dir / "ggml-tiny-random.bin")

    # The files read back by programs that did not write them.
    ct2 = ctranslate2.models.Whisper(str(args.out_dir / "ctranslate2"), compute_type="float32", intra_threads=1)
    ct2_encoded = np.array(ct2.encode(ctranslate2.StorageView.from_array(mel.T[None].contiguous().numpy())))[0]
    reread = ct2_weights.openai_state(ct2_weights.read_variables(args.out_dir / "ctranslate2/model.bin"))
    assert reread.keys() == state.keys() and all(np.array_equal(reread[k], state[k].numpy()) for k in state)
    reloaded = transformers.WhisperForConditionalGeneration.from_pretrained(args.out_dir / "hf", dtype=torch.float32)
    assert all(torch.equal(reloaded.state_dict()[hf_name(k)], v) for k, v in state.items())

    save_file({"mel": mel.numpy(), "tokens": tokens.numpy().astype(np.int32),
               **{k: v.contiguous().numpy() for k, v in result.items()}}, args.out_dir / "expected.safetensors",
              metadata={"layout": "[positions, width]; logits row r follows tokens[0..r]"})
    errors = {k: worst(v, result64[k]) for k, v in result.items()}
    (args.out_dir / "expected.json").write_text(json.dumps({
        "sizes": dataclasses.asdict(SIZES), "alignment_heads": ALIGNMENT_HEADS,
        "ggml_text_tokens": len(TEXT_TOKENS),
        "stages": {k: {"float32_error": e, "tolerance": FACTOR * e, "max_abs": result[k].abs().max().item()}
                   for k, e in errors.items()},
        "tolerance": f"{FACTOR} x max |float32 - float64| of openai-whisper; between the three files: equal bits",
        "agreement": {"transformers logits": worst(hf_logits, result64["logits"]),
                      "ctranslate2 encoder output": worst(torch.from_numpy(ct2_encoded), result64["encoder.output"])},
        "versions": {"openai-whisper": whisper.__version__, "torch": torch.__version__,
                     "transformers": transformers.__version__, "ctranslate2": ctranslate2.__version__}}, indent=1) + "\n")


if __name__ == "__main__":
    main()
