#!/usr/bin/env python3
"""Writes one Whisper model (a CTranslate2 folder) in the forms of the engines that compare_speech.py measures.

usage: convert_peers.py CT2_DIR OUT_DIR
  OUT_DIR/hf               Hugging Face folder, float32
  OUT_DIR/openvino         OpenVINO GenAI folder, float32, exported by optimum-intel with its tokenizer
  OUT_DIR/ggml-f16.bin     whisper.cpp file, float16
  OUT_DIR/ggml-q8_0.bin    whisper.cpp file, matrices in blocks of 32 int8 with a float16 scale

Runs in compare_speech.py's export environment (torch, transformers < 5, optimum-intel). Files that exist are kept.
"""
import argparse
import json
import pathlib
import struct
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools" / "golden"))
import ct2_weights  # noqa: E402

HF_NAMES = (
    ("cross_attn_ln", "encoder_attn_layer_norm"), ("attn_ln", "self_attn_layer_norm"), ("mlp_ln", "final_layer_norm"),
    ("cross_attn.query", "encoder_attn.q_proj"), ("cross_attn.key", "encoder_attn.k_proj"),
    ("cross_attn.value", "encoder_attn.v_proj"), ("cross_attn.out", "encoder_attn.out_proj"),
    ("attn.query", "self_attn.q_proj"), ("attn.key", "self_attn.k_proj"), ("attn.value", "self_attn.v_proj"),
    ("attn.out", "self_attn.out_proj"), ("mlp.0", "fc1"), ("mlp.2", "fc2"))


def hf_name(name):
    side, rest = name.split(".", 1)
    if rest.startswith("blocks."):
        _, layer, rest = rest.split(".", 2)
        part, kind = rest.rsplit(".", 1)
        return f"model.{side}.layers.{layer}.{dict(HF_NAMES)[part]}.{kind}"
    if rest == "positional_embedding":
        return f"model.{side}.embed_positions.weight"
    if rest.startswith(("ln_post.", "ln.")):
        return f"model.{side}.layer_norm.{rest.rsplit('.', 1)[1]}"
    return f"model.{side}.{rest.replace('token_embedding', 'embed_tokens')}"


def write_hf(ct2_dir, sizes, state, out):
    import torch
    import transformers

    tokenizer = transformers.WhisperTokenizerFast(tokenizer_file=str(ct2_dir / "tokenizer.json"))
    token = tokenizer.convert_tokens_to_ids
    end, start = token("<|endoftext|>"), token("<|startoftranscript|>")
    model = transformers.WhisperForConditionalGeneration(transformers.WhisperConfig(
        vocab_size=sizes.n_vocab, num_mel_bins=sizes.n_mels, d_model=sizes.n_audio_state,
        encoder_layers=sizes.n_audio_layer, encoder_attention_heads=sizes.n_audio_head, encoder_ffn_dim=4 * sizes.n_audio_state,
        decoder_layers=sizes.n_text_layer, decoder_attention_heads=sizes.n_text_head, decoder_ffn_dim=4 * sizes.n_text_state,
        max_source_positions=sizes.n_audio_ctx, max_target_positions=sizes.n_text_ctx, decoder_start_token_id=start,
        bos_token_id=end, eos_token_id=end, pad_token_id=end))
    tensors = {hf_name(name): torch.from_numpy(array) for name, array in state.items()}
    tensors["proj_out.weight"] = tensors["model.decoder.embed_tokens.weight"]
    model.load_state_dict(tensors, strict=True)
    config = json.loads((ct2_dir / "config.json").read_text())
    generation = dict(
        decoder_start_token_id=start, bos_token_id=end, eos_token_id=end, pad_token_id=end, max_length=sizes.n_text_ctx,
        suppress_tokens=config["suppress_ids"], begin_suppress_tokens=config["suppress_ids_begin"],
        no_timestamps_token_id=token("<|notimestamps|>"), max_initial_timestamp_index=50,
        prev_sot_token_id=token("<|startofprev|>"), alignment_heads=config["alignment_heads"],
        is_multilingual=sizes.n_vocab >= 51865)
    if generation["is_multilingual"]:
        generation["lang_to_id"] = {tokenizer.convert_ids_to_tokens(i): i for i in config["lang_ids"]}
        generation["task_to_id"] = {task: token(f"<|{task}|>") for task in ("transcribe", "translate")}
    model.generation_config = transformers.GenerationConfig(**generation)
    model.save_pretrained(out)
    extractor = transformers.WhisperFeatureExtractor(feature_size=sizes.n_mels)
    transformers.WhisperProcessor(extractor, tokenizer).save_pretrained(out)


def text_tokens(ct2_dir):
    """Bytes of the text tokens in order of id. Byte-level BPE writes each byte as one printable character."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in printable]
    byte_of = {chr(b): b for b in printable} | {chr(256 + i): b for i, b in enumerate(others)}
    model = json.loads((ct2_dir / "tokenizer.json").read_text(encoding="utf-8"))
    special = {t["id"] for t in model["added_tokens"]}
    ordered = sorted((i, t) for t, i in model["model"]["vocab"].items() if i not in special)
    return [bytes(byte_of[c] for c in text) for _, text in ordered]


def q8_0(array):
    """Blocks of 32 along rows: float16 scale, 32 int8."""
    blocks = array.astype(np.float32).reshape(-1, 32)
    scale = np.abs(blocks).max(1) / np.float32(127)
    inverse = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale > 0)
    scaled = blocks * inverse[:, None]
    packed = np.empty(len(blocks), np.dtype([("scale", "<f2"), ("values", "i1", 32)]))
    packed["scale"], packed["values"] = scale, np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
    return packed.tobytes()


def write_ggml(ct2_dir, sizes, state, path, quantised):
    from transformers.audio_utils import mel_filter_bank

    filters = mel_filter_bank(201, sizes.n_mels, 0.0, 8000.0, 16000, norm="slaney", mel_scale="slaney").T
    tokens = text_tokens(ct2_dir)
    partial = path.with_suffix(".partial")
    with open(partial, "wb") as f:
        kind = 2007 if quantised else 1  # quantisation version 2 and type 7; float16
        f.write(struct.pack("<12i", 0x67676D6C, sizes.n_vocab, sizes.n_audio_ctx, sizes.n_audio_state, sizes.n_audio_head,
                            sizes.n_audio_layer, sizes.n_text_ctx, sizes.n_text_state, sizes.n_text_head,
                            sizes.n_text_layer, sizes.n_mels, kind))
        f.write(struct.pack("<2i", *filters.shape) + filters.astype("<f4").tobytes())
        f.write(struct.pack("<i", len(tokens)))
        for token in tokens:
            f.write(struct.pack("<i", len(token)) + token)
        for name, array in state.items():
            if array.ndim == 1 or "positional_embedding" in name:
                code, data = 0, array.astype("<f4").tobytes()
            elif quantised and array.ndim == 2:
                code, data = 8, q8_0(array)
            else:
                code, data = 1, array.astype("<f2").tobytes()
            shape = (*array.shape, 1) if name.startswith("encoder.conv") and array.ndim == 1 else array.shape
            f.write(struct.pack("<3i", len(shape), len(name), code))
            f.write(struct.pack(f"<{len(shape)}i", *reversed(shape)) + name.encode() + data)
    partial.rename(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ct2_dir", type=pathlib.Path)
    parser.add_argument("out_dir", type=pathlib.Path)
    args = parser.parse_args()
    args.out_dir.mkdir(parents=True, exist_ok=True)
    variables = ct2_weights.read_variables(args.ct2_dir / "model.bin")
    sizes, state = ct2_weights.sizes_of(variables), ct2_weights.openai_state(variables)
    for name, quantised in (("ggml-f16.bin", False), ("ggml-q8_0.bin", True)):
        if not (args.out_dir / name).exists():
            write_ggml(args.ct2_dir, sizes, state, args.out_dir / name, quantised)
    hf = args.out_dir / "hf"
    if not (hf / "preprocessor_config.json").exists():
        write_hf(args.ct2_dir, sizes, state, hf)
    openvino = args.out_dir / "openvino"
    if not (openvino / "openvino_tokenizer.xml").exists():
        from optimum.exporters.openvino import main_export
        main_export(model_name_or_path=str(hf), output=openvino, task="automatic-speech-recognition-with-past",
                    convert_tokenizer=True)


if __name__ == "__main__":
    main()
