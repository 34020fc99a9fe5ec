// WakeSignal: a thread waits until another one has something for it.
//
//   const uint32_t ticket = signal.Ticket();
//   if (nothing to do) signal.Wait(ticket);   // returns at once if notified after Ticket()
#ifndef TESSERA_BASE_WAKE_SIGNAL_H_
#define TESSERA_BASE_WAKE_SIGNAL_H_

#include <atomic>
#include <cstdint>

namespace tessera {

class WakeSignal {
 public:
  void Notify() {
    count_.fetch_add(1, std::memory_order_release);
    count_.notify_all();
  }
  uint32_t Ticket() const { return count_.load(std::memory_order_acquire); }
  void Wait(uint32_t ticket) const { count_.wait(ticket, std::memory_order_acquire); }

 private:
  std::atomic<uint32_t> count_{0};
};

}  // namespace tessera

#endif  // TESSERA_BASE_WAKE_SIGNAL_H_
