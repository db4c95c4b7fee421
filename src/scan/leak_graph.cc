// SPDX-License-Identifier: Apache-2.0
#include "scan/leak_graph.h"

#include <algorithm>
#include <tuple>

#include "base/verify.h"

namespace orphan {
namespace {

constexpr u32 kNone = ~u32{0};

// Edges by the block they start from.
class Successors {
 public:
  Successors(std::size_t blocks, std::vector<GraphEdge> edges) : edges_(std::move(edges)), first_(blocks + 1) {
    auto key = [](GraphEdge edge) { return std::tuple(edge.from, edge.to); };
    std::ranges::sort(edges_, {}, key);
    auto repeated = std::ranges::unique(edges_, {}, key);
    edges_.erase(repeated.begin(), repeated.end());
    for (GraphEdge edge : edges_) {
      VERIFY(edge.from < blocks && edge.to < blocks);
      ++first_[edge.from + 1];
    }
    for (std::size_t i = 1; i < first_.size(); ++i) first_[i] += first_[i - 1];
  }

  u32 begin(u32 block) const { return first_[block]; }
  u32 end(u32 block) const { return first_[block + 1]; }
  u32 to(u32 edge) const { return edges_[edge].to; }

 private:
  std::vector<GraphEdge> edges_;
  std::vector<u32> first_;
};

// Tarjan's algorithm without recursion. A component's number is higher than those of all components that it refers to.
class Components {
 public:
  Components(std::size_t blocks, const Successors& successors)
      : of_block(blocks, kNone), successors_(successors), index_(blocks, kNone), low_(blocks), next_edge_(blocks) {
    for (u32 block = 0; block < blocks; ++block) {
      if (index_[block] == kNone) visit(block);
    }
  }

  std::vector<u32> of_block;
  u32 count = 0;

 private:
  void enter(u32 block) {
    index_[block] = low_[block] = entered_++;
    next_edge_[block] = successors_.begin(block);
    open_.push_back(block);
    path_.push_back(block);
  }

  void visit(u32 start) {
    enter(start);
    while (!path_.empty()) {
      u32 block = path_.back();
      if (next_edge_[block] != successors_.end(block)) {
        u32 to = successors_.to(next_edge_[block]++);
        if (index_[to] == kNone)
          enter(to);
        else if (of_block[to] == kNone)
          low_[block] = std::min(low_[block], index_[to]);
        continue;
      }
      path_.pop_back();
      if (!path_.empty()) low_[path_.back()] = std::min(low_[path_.back()], low_[block]);
      if (low_[block] == index_[block]) close(block);
    }
  }

  void close(u32 block) {
    for (u32 member = kNone; member != block;) {
      member = open_.back();
      open_.pop_back();
      of_block[member] = count;
    }
    ++count;
  }

  const Successors& successors_;
  std::vector<u32> index_, low_, next_edge_;
  std::vector<u32> open_, path_;
  u32 entered_ = 0;
};

// The graph of the components, and its dominator tree.
class Dominators {
 public:
  Dominators(std::span<const u64> sizes_bytes, const Successors& successors, const Components& components)
      : components_(components),
        largest_(components.count, kNone),
        dominator_(components.count, kNone),
        depth_(components.count),
        head_(components.count, kNone),
        count_(components.count),
        bytes_(components.count) {
    gather_members(sizes_bytes);
    walk(successors);
    for (u32 c = 0; c < components.count; ++c) {
      if (dominator_[c] == kNone) continue;
      count_[dominator_[c]] += count_[c];
      bytes_[dominator_[c]] += bytes_[c];
    }
  }

  LeakGraph result(std::size_t blocks) const {
    LeakGraph graph;
    for (u32 block = 0; block < blocks; ++block) {
      u32 c = components_.of_block[block];
      graph.head.push_back(largest_[head_[c]]);
      graph.retained_count.push_back(count_[c]);
      graph.retained_bytes.push_back(bytes_[c]);
    }
    return graph;
  }

 private:
  void gather_members(std::span<const u64> sizes_bytes) {
    first_member_.resize(components_.count + 1);
    for (u32 c : components_.of_block) ++first_member_[c + 1];
    for (std::size_t i = 1; i < first_member_.size(); ++i) first_member_[i] += first_member_[i - 1];
    members_.resize(sizes_bytes.size());
    std::vector<u32> next(first_member_.begin(), first_member_.end() - 1);
    for (u32 block = 0; block < sizes_bytes.size(); ++block) {
      u32 c = components_.of_block[block];
      members_[next[c]++] = block;
      ++count_[c];
      bytes_[c] += sizes_bytes[block];
      if (largest_[c] == kNone || sizes_bytes[block] > sizes_bytes[largest_[c]]) largest_[c] = block;
    }
  }

  // In topological order: from the highest number down. Where a component's turn comes, all that refer to it have had theirs.
  void walk(const Successors& successors) {
    std::vector<bool> is_referred_to(components_.count);
    for (u32 c = components_.count; c-- > 0;) {
      if (!is_referred_to[c]) head_[c] = c;
      depth_[c] = dominator_[c] == kNone ? 0 : depth_[dominator_[c]] + 1;
      if (dominator_[c] != kNone) head_[c] = head_[dominator_[c]];
      for (u32 i = first_member_[c]; i < first_member_[c + 1]; ++i) {
        for (u32 edge = successors.begin(members_[i]); edge < successors.end(members_[i]); ++edge) {
          u32 to = components_.of_block[successors.to(edge)];
          if (to == c) continue;
          dominator_[to] = is_referred_to[to] ? common(dominator_[to], c) : c;
          if (!is_referred_to[to]) head_[to] = head_[c];
          is_referred_to[to] = true;
        }
      }
    }
  }

  // The nearest that dominates both; none: they hang below different heads.
  u32 common(u32 a, u32 b) const {
    while (a != b) {
      if (a == kNone || b == kNone) return kNone;
      if (depth_[a] < depth_[b])
        b = dominator_[b];
      else
        a = dominator_[a];
    }
    return a;
  }

  const Components& components_;
  std::vector<u32> members_, first_member_;  // blocks, by component
  std::vector<u32> largest_;                 // block of each component
  std::vector<u32> dominator_, depth_, head_;
  std::vector<u64> count_, bytes_;
};

}  // namespace

LeakGraph build_leak_graph(std::span<const u64> sizes_bytes, std::vector<GraphEdge> edges) {
  Successors successors(sizes_bytes.size(), std::move(edges));
  Components components(sizes_bytes.size(), successors);
  return Dominators(sizes_bytes, successors, components).result(sizes_bytes.size());
}

Result<LeakGraph> find_leak_graph(const Snapshot& snapshot, const BlockIndex& index, const Memory& memory,
                                  std::span<const u64> slots, const std::function<bool()>& keep_going) {
  BitVector members;
  members.resize(snapshot.live.size());
  for (u64 slot : slots) members.set(slot);
  auto number_of = [&](u64 slot) { return static_cast<u32>(std::ranges::lower_bound(slots, slot) - slots.begin()); };
  std::vector<GraphEdge> edges;
  auto note = [&](const Reference& reference) {
    auto source = index.find(reference.at.value);
    if (source && members.test(source->slot)) edges.push_back({number_of(source->slot), number_of(reference.to.slot)});
  };
  TRY(find_references(snapshot, index, memory,
                      {.targets = &members, .sources = &members, .search_roots = false, .keep_going = keep_going}, note));
  std::vector<u64> sizes_bytes(slots.size());
  for (const Span& span : snapshot.spans) {
    if (span.has(span_flag::kAlias)) continue;
    members.for_each(span.first_slot, span.slots,
                     [&](u64 slot) { sizes_bytes[number_of(slot)] = snapshot.shape_of(span).object_bytes; });
  }
  return build_leak_graph(sizes_bytes, std::move(edges));
}

}  // namespace orphan
