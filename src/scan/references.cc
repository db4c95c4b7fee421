// SPDX-License-Identifier: Apache-2.0
#include "scan/references.h"

#include <algorithm>

#include "scan/content_scanner.h"

namespace orphan {
namespace {

class Searcher {
 public:
  Searcher(const Snapshot& snapshot, const BlockIndex& index, const Memory& memory, const ReferenceSearch& search,
           const std::function<void(const Reference&)>& found)
      : snapshot_(snapshot),
        index_(index),
        search_(search),
        found_(found),
        scanner_(snapshot, memory, index.filter(), Visit{this}, std::pmr::get_default_resource()) {}

  Result<void> run() {
    if (search_.search_roots) TRY(search_roots());
    return scanner_.scan_all_blocks(*search_.sources, [this] { return check(); });
  }

 private:
  struct Visit {
    Searcher* searcher;
    void operator()(const WordRead& read) const { searcher->visit(read.word, read.at, read.following); }
  };

  Result<void> check() const {
    if (search_.keep_going && !search_.keep_going()) return Error(ErrorCode::Interrupted, "looking for references");
    return {};
  }

  Result<void> search_roots() {
    for (std::size_t i = 0; i < snapshot_.root_words.size(); ++i) {
      visit(snapshot_.root_words[i], i < snapshot_.root_word_places.size() ? snapshot_.root_word_places[i] : Addr{}, {});
    }
    return scanner_.scan_roots([this] { return check(); });
  }

  void visit(u64 word, Addr at, Bytes following) {
    auto block = index_.find(word);
    if (!block || is_hint(snapshot_, word, at, following)) return;
    report({at, word, *block, false});
    if (!snapshot_.spans[block->span].has(span_flag::kForwards)) return;
    auto first = std::ranges::lower_bound(snapshot_.forwards, block->slot, {}, &Forward::from);
    for (; first != snapshot_.forwards.end() && first->from == block->slot; ++first) report({at, word, first->to, true});
  }

  void report(const Reference& reference) const {
    if (!search_.targets->test(reference.to.slot)) return;
    auto source = index_.find(reference.at.value);
    if (source && source->slot == reference.to.slot) return;
    found_(reference);
  }

  const Snapshot& snapshot_;
  const BlockIndex& index_;
  const ReferenceSearch& search_;
  const std::function<void(const Reference&)>& found_;
  ContentScanner<Visit> scanner_;
};

}  // namespace

Result<void> find_references(const Snapshot& snapshot, const BlockIndex& index, const Memory& memory,
                             const ReferenceSearch& search, const std::function<void(const Reference&)>& found) {
  return Searcher(snapshot, index, memory, search, found).run();
}

}  // namespace orphan
