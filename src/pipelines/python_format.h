// Numbers, times and strings as Python writes them, which is what openai-whisper's files are made
// of.
#ifndef TESSERA_PIPELINES_PYTHON_FORMAT_H_
#define TESSERA_PIPELINES_PYTHON_FORMAT_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace tessera {

// repr(float), as json.dump writes it: the shortest digits that read back as the same value,
// "1e-05", "0.1", "2.0", "1e+16"; NaN, Infinity, -Infinity.
std::string PythonFloat(double value);

// int(round(value)): halves go to the even neighbour. 0 for a value that is not finite; held within
// +-2^53.
int64_t PythonRound(double value);

// json.dumps(text) with ensure_ascii: quoted, everything but printable ASCII escaped, invalid UTF-8
// as U+FFFD.
std::string PythonJsonString(std::string_view text);

// format_timestamp() of openai-whisper: "[HH:]MM:SS" + marker + "mmm", rounded to milliseconds. A
// negative time counts as 0.
std::string FormatTimestamp(double seconds, bool always_include_hours, char decimal_marker);

}  // namespace tessera

#endif  // TESSERA_PIPELINES_PYTHON_FORMAT_H_
