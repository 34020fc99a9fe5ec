#include "kernels/isa.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cstdlib>

#include "kernels/dispatch.h"
#if defined(TESSERA_HAVE_HIGHWAY)
#include "hwy/targets.h"
#endif

namespace tessera::kernels {
namespace {

constexpr std::array<std::string_view, kNumIsas> kNames = {"scalar",     "avx2", "avx512vnni",
                                                           "avx512bf16", "neon", "neonbf16"};

bool CpuRuns(Isa isa) {
  if (isa == Isa::kScalar) return true;
#if defined(TESSERA_HAVE_HIGHWAY)
  const int64_t targets = hwy::SupportedTargets();
  switch (isa) {
    case Isa::kScalar:
      return true;
    case Isa::kAvx2:
      return (targets & HWY_AVX2) != 0;
    case Isa::kAvx512Vnni:
      return (targets & HWY_AVX3_DL) != 0;
    // Highway reports its ZEN4 target on AMD only; SPR and AVX10.2 include the same instructions.
    case Isa::kAvx512Bf16:
      return (targets & (HWY_AVX3_ZEN4 | HWY_AVX3_SPR | HWY_AVX10_2)) != 0;
    case Isa::kNeon:
      return (targets & HWY_NEON_WITHOUT_AES) != 0;
    case Isa::kNeonBf16:
      return (targets & HWY_NEON_BF16) != 0;
  }
#endif
  return false;
}

struct Entry {
  bool usable = false;
  KernelTable table{};
};

struct State {
  std::array<Entry, kNumIsas> entries;
  std::atomic<int> current{0};
  Status status;

  State() {
    int best = 0;
    for (int i = 0; i < kNumIsas; ++i) {
      const Isa isa = static_cast<Isa>(i);
      Entry& entry = entries[i];
      FillLinearRef(entry.table);
      FillRowsRef(entry.table);
      FillAttentionRef(entry.table);
      FillElementwiseRef(entry.table);
      FillDotTopKRef(entry.table);
      entry.usable = CpuRuns(isa);
#if defined(TESSERA_HAVE_HIGHWAY)
      if (entry.usable && isa != Isa::kScalar) {
        entry.usable = FillLinearSimd(isa, entry.table) && FillRowsSimd(isa, entry.table) &&
                       FillAttentionSimd(isa, entry.table) &&
                       FillElementwiseSimd(isa, entry.table) && FillDotTopKSimd(isa, entry.table);
      }
#endif
      if (entry.usable) best = i;
    }
    current = best;
    if (const char* forced = std::getenv("TESSERA_FORCE_ISA"); forced != nullptr && *forced) {
      Result<Isa> isa = ParseIsa(forced);
      status = isa.ok() ? Use(*isa) : isa.status();
      if (!status.ok()) status = std::move(status).AddContext("TESSERA_FORCE_ISA");
    }
  }

  Status Use(Isa isa) {
    if (!entries[static_cast<int>(isa)].usable) {
      return Unavailable(std::string(IsaName(isa)) +
                         " cannot be used here; this build and CPU run " + List());
    }
    current = static_cast<int>(isa);
    return OkStatus();
  }

  std::string List() const {
    std::string list;
    for (int i = kNumIsas - 1; i >= 0; --i) {
      if (!entries[i].usable) continue;
      if (!list.empty()) list += ", ";
      list += kNames[i];
    }
    return list;
  }
};

State& GetState() {
  static State state;
  return state;
}

}  // namespace

std::string_view IsaName(Isa isa) { return kNames[static_cast<int>(isa)]; }

Result<Isa> ParseIsa(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (lower == "avx512") return Isa::kAvx512Vnni;
  if (lower == "zen4") return Isa::kAvx512Bf16;
  const auto it = std::find(kNames.begin(), kNames.end(), lower);
  if (it != kNames.end()) return static_cast<Isa>(it - kNames.begin());
  std::string known;
  for (const auto& n : kNames) known += (known.empty() ? "" : ", ") + std::string(n);
  return InvalidArgument("unknown instruction set \"" + std::string(name) + "\"; expected one of " +
                         known);
}

std::vector<Isa> SupportedIsas() {
  std::vector<Isa> isas;
  for (int i = 0; i < kNumIsas; ++i) {
    if (GetState().entries[i].usable) isas.push_back(static_cast<Isa>(i));
  }
  return isas;
}

Isa CurrentIsa() { return static_cast<Isa>(GetState().current.load(std::memory_order_relaxed)); }
Status IsaStatus() { return GetState().status; }
Status SetIsa(Isa isa) { return GetState().Use(isa); }

std::string DescribeIsa() {
  const Isa current = CurrentIsa();
  std::string others;
  const std::vector<Isa> isas = SupportedIsas();
  for (auto it = isas.rbegin(); it != isas.rend(); ++it) {
    if (*it != current) others += (others.empty() ? "" : ", ") + std::string(IsaName(*it));
  }
  std::string text(IsaName(current));
  if (!others.empty()) text += " (this CPU also runs " + others + ")";
  return text;
}

const KernelTable& Kernels() { return GetState().entries[static_cast<int>(CurrentIsa())].table; }

}  // namespace tessera::kernels
