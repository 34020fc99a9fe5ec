// Whisper as three graphs. Every provider compiles these; MODEL.md beside this file draws them.
//
//   encoder    mel[batch, 2*positions, num_mels] -> features[batch, positions, width]
//   cross_kv   features[positions, width], slot[positions] i32, position[positions] i32 -> states
//   cross_key.L, cross_value.L decoder    tokens[tokens] i32, position[tokens] i32, slot[tokens]
//   i32, history[tokens, history] i32, length[tokens] i32,
//              window[tokens] i32, window_length[tokens] i32, outputs[outputs] i32 ->
//              hidden[outputs, width], logits[outputs, vocab]
//
// The decoder takes a flat list of tokens of any rows: a prompt is many tokens of one row, a step
// one token of many rows. Its states are self_key.L, self_value.L [rows, history, width] and
// cross_key.L, cross_value.L [windows, positions, width]. history[t, p] names the row whose cache
// holds position p of token t's past: beams share their past without copies.
#ifndef TESSERA_MODELS_WHISPER_STAGES_H_
#define TESSERA_MODELS_WHISPER_STAGES_H_

#include <array>
#include <string_view>

#include "graph/graph.h"
#include "kernels/linear.h"
#include "models/whisper/weights.h"

namespace tessera {

Result<Graph> BuildWhisperEncoder(const WhisperConfig& config, const WhisperWeights& weights);
Result<Graph> BuildWhisperCrossKv(const WhisperConfig& config, const WhisperWeights& weights);
Result<Graph> BuildWhisperDecoder(const WhisperConfig& config, const WhisperWeights& weights);

// The three by name, for tools. kInvalidArgument for another name.
inline constexpr std::array<std::string_view, 3> kWhisperStages = {"encoder", "cross_kv",
                                                                   "decoder"};
Result<Graph> BuildWhisperStage(std::string_view stage, const WhisperConfig& config,
                                const WhisperWeights& weights);

// Sizes for every symbol of a stage: one window of 30 s, one row, one token a call, room for the
// longest history. What a compiler for fixed shapes gets, and what a cost is estimated for.
DimBindings SingleTokenDims(const Graph& stage, const WhisperConfig& config);

// The precision of one linear layer of a stage when the stage runs in `precision`. In int8 the
// encoder's convolutions stay in bf16: they are 4 % of its work and their error goes through all
// layers.
kernels::Precision WhisperLinearPrecision(std::string_view stage, std::string_view node,
                                          kernels::Precision precision);

}  // namespace tessera

#endif  // TESSERA_MODELS_WHISPER_STAGES_H_
