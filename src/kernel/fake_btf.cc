// SPDX-License-Identifier: Apache-2.0
#include "kernel/fake_btf.h"

#include <bpf/btf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "kernel/fake_origin_types.h"

namespace orphan::kernel {
namespace {

// Offsets are those of Debian's 6.1 on amd64 where that matters to nobody; structs are cut down to what is read.
constexpr std::string_view kCommonTypes = R"(
struct list_head 16
  ptr next 0
  ptr prev 8
struct .page_lru 40
  list_head lru 0
  ptr mapping 16
  u64 index 24
  u64 private 32
struct .page_pool 8
  u64 pp_magic 0
struct per_cpu_pages 256
  u32 count 4
  list_head[13] lists 32
struct zone 64
  ptr per_cpu_pageset 16
struct pglist_data 256
  zone[4] node_zones 0
enum migratetype
  MIGRATE_UNMOVABLE 0
  MIGRATE_PCPTYPES 3
typedef slab_flags_t u32
struct kmem_cache 216
  ptr cpu_slab 0
  slab_flags_t flags 8
  u32 size 24
  u32 object_size 28
  u32 offset 40
  u32 refcount 64
  u32 inuse 80
  u32 red_left_pad 88
  ptr name 96
  list_head list 104
  u64 random 184
struct kmem_cache_cpu 40
  ptr freelist 0
  u64 tid 8
  ptr slab 16
  ptr partial 24
struct vmap_area 64
  u64 va_start 0
  u64 va_end 8
  list_head list 40
  ptr vm 56
struct vm_struct 64
  ptr next 0
  ptr addr 8
  u64 size 16
  u64 flags 24
  ptr pages 32
  u32 nr_pages 44
  ptr caller 56
struct vm_stack 24
  ptr stack_vm_area 16
struct pcpu_chunk 136
  list_head list 16
  ptr bound_map 56
  ptr base_addr 64
  ptr alloc_map 72
  u32 start_offset 104
  u32 end_offset 108
  ptr obj_cgroups 112
  u32 nr_pages 120
struct fpu 384
  ptr fpstate 16
  u8[320] __fpstate 64
struct thread_struct 512
  u64 sp 24
  fpu fpu 128
struct rb_node 24
  u64[3] words 0
struct sched_entity 64
  rb_node run_node 8
  list_head group_node 32
struct task_struct 1024
  ptr stack 32
  u32 on_cpu 52
  ptr last_wakee 56
  sched_entity se 64
  list_head tasks 200
  ptr mm 216
  u32 pid 240
  u64 start_time 248
  ptr worker_private 264
  u8[16] comm 320
  ptr files 344
  ptr signal 352
  list_head thread_node 360
  thread_struct thread 512
struct kthread 64
  ptr threadfn 16
struct signal_struct 64
  list_head thread_head 16
struct .mm_words 128
  u64 start_stack 64
  ptr pgd 72
struct mm_struct 128
  .mm_words - 0
struct files_struct 64
  ptr fdt 32
struct fdtable 64
  u32 max_fds 0
  ptr fd 8
struct file 128
  ptr private_data 32
struct mod_kallsyms 32
  ptr symtab 0
  u32 num_symtab 8
  ptr strtab 16
struct napi_alloc_cache 96
  u32 skb_count 24
  ptr[8] skb_cache 32
struct irq_stack 4096
struct exception_stacks 4096
struct entry_stack_page 512
struct rw_semaphore 40
  u64 count 0
  u64 owner 8
  u32 osq 16
  u32 wait_lock 20
  list_head wait_list 24
struct xa_node 576
  u8 shift 0
  ptr parent 8
  ptr[64] slots 40
  u64[3] marks 552
struct inactive_task_frame 56
)";

constexpr std::string_view kOldTypes = R"(
struct .page_head 16
  u64 compound_head 0
  u8 compound_dtor 8
  u8 compound_order 9
struct page 64
  u64 flags 0
  .page_lru - 8
  .page_head - 8
  .page_pool - 8
  u32 page_type 48
  u32 _refcount 52
  u64 memcg_data 56
struct slab 64
  u64 __page_flags 0
  ptr next 8
  ptr slab_cache 24
  ptr freelist 32
  u64 counters 40
  u32 inuse 40:0:16
  u32 objects 40:16:15
  u32 frozen 40:31:1
  u64 memcg_data 56
struct module_layout 80
  ptr base 0
  u32 size 8
  u32 text_size 12
  u32 ro_size 16
  u32 ro_after_init_size 20
struct module 512
  list_head list 8
  u8[56] name 24
  module_layout core_layout 256
  module_layout init_layout 336
  ptr kallsyms 440
struct .ctl_table_words 24
  ptr ctl_table 0
  u32 used 8
struct ctl_table_header 80
  .ctl_table_words - 0
  ptr ctl_table_arg 32
  ptr root 40
  ptr set 48
  ptr parent 56
struct kvfree_rcu_bulk_data 16
  u64 nr_records 0
  ptr next 8
  ptr[0] records 16
struct kfree_rcu_cpu_work 64
  ptr[2] bkvhead_free 32
struct kfree_rcu_cpu 256
  ptr[2] bkvhead 8
  kfree_rcu_cpu_work[2] krw_arr 32
  ptr bkvcache 200
enum pageflags
  PG_lru 4
  PG_slab 9
  PG_reserved 12
  PG_head 16
  PG_swapbacked 19
enum compound_dtor_id
  COMPOUND_PAGE_DTOR 1
  HUGETLB_PAGE_DTOR 2
)";

// Instead of those of 6.1. There is no struct slab, and a CPU's slab was called a page.
constexpr std::string_view kOldestTypes = R"(
struct page 64
  u64 flags 0
  .page_lru - 8
  .page_head - 8
  ptr next 8
  ptr slab_cache 24
  ptr freelist 32
  u64 counters 40
  u32 inuse 40:0:16
  u32 objects 40:16:15
  u32 frozen 40:31:1
  u32 page_type 48
  u32 _refcount 52
  ptr mem_cgroup 56
  ptr obj_cgroups 56
hidden slab 64
  ptr next 8
  ptr slab_cache 24
  ptr freelist 32
  u64 counters 40
  u32 inuse 40:0:16
  u32 objects 40:16:15
  u32 frozen 40:31:1
  u64 memcg_data 56
struct vmap_area 64
  u64 va_start 0
  u64 va_end 8
  list_head list 40
  ptr vm 56
  ptr purge_list 56
struct kmem_cache_cpu 40
  ptr freelist 0
  u64 tid 8
  ptr page 16
  ptr ~slab 16
  ptr partial 24
)";

constexpr std::string_view kNewTypes = R"(
struct .page_head 16
  u64 compound_head 0
struct page 64
  u64 flags 0
  .page_lru - 8
  .page_head - 8
  .page_pool - 8
  u32 page_type 48
  u32 _refcount 52
  u64 memcg_data 56
struct folio 128
  u64 flags 0
  u64 _flags_1 64
struct slab 64
  u64 __page_flags 0
  ptr slab_cache 8
  ptr next 16
  ptr freelist 32
  u64 counters 40
  u32 inuse 40:0:16
  u32 objects 40:16:15
  u32 frozen 40:31:1
  u64 obj_exts 56
struct rb_list 32
  ptr root 0
  list_head head 8
struct vmap_node 96
  rb_list busy 16
  rb_list lazy 48
struct module_memory 16
  ptr base 0
  u32 size 8
struct module 512
  list_head list 8
  u8[56] name 24
  module_memory[7] mem 256
  ptr kallsyms 440
struct ctl_table_header 80
  ptr ctl_table 0
  u32 ctl_table_size 8
  ptr ctl_table_arg 32
  ptr root 40
  ptr set 48
  ptr parent 56
struct kvfree_rcu_bulk_data 40
  list_head list 0
  u64 nr_records 32
  ptr[0] records 40
struct kfree_rcu_cpu_work 96
  list_head[2] bulk_head_free 32
struct kfree_rcu_cpu 320
  list_head[2] bulk_head 8
  kfree_rcu_cpu_work[2] krw_arr 48
  ptr bkvcache 280
enum pageflags
  PG_lru 5
  PG_head 6
  PG_reserved 13
  PG_swapbacked 17
enum pagetype
  PGTY_buddy 240
  PGTY_offline 241
  PGTY_table 242
  PGTY_guard 243
  PGTY_hugetlb 244
  PGTY_slab 245
  PGTY_zsmalloc 246
enum mod_mem_type
  MOD_TEXT 0
  MOD_DATA 1
  MOD_RODATA 2
  MOD_RO_AFTER_INIT 3
  MOD_INIT_TEXT 4
  MOD_INIT_DATA 5
  MOD_INIT_RODATA 6
enum _slab_flag_bits
  _SLAB_STORE_USER 7
  _SLAB_KMALLOC 8
  _SLAB_NOLEAKTRACE 21
)";

constexpr std::string_view kSheafTypes = R"(
struct slab_sheaf 32
  list_head barn_list 0
  ptr cache 16
  u32 size 24
  u32 node 28
  ptr[0] objects 32
struct slub_percpu_sheaves 32
  u8 lock 0
  ptr main 8
  ptr spare 16
  ptr rcu_free 24
struct node_barn 48
  u32 lock 0
  list_head sheaves_full 8
  list_head sheaves_empty 24
struct defer_free 48
  ptr objects 0
)";

constexpr std::string_view kNodeBarnTypes = R"(
struct kmem_cache_node 72
  u64 nr_partial 8
  ptr barn 64
struct kmem_cache 248
  ptr cpu_slab 0
  ptr cpu_sheaves 8
  slab_flags_t flags 16
  u32 size 32
  u32 object_size 36
  u32 offset 48
  u32 sheaf_capacity 60
  u32 refcount 76
  u32 inuse 88
  u32 red_left_pad 96
  ptr name 104
  list_head list 112
  u64 random 192
  ptr[2] node 224
)";

constexpr std::string_view kPerNodeBarnTypes = R"(
struct kmem_cache_per_node_ptrs 16
  ptr barn 0
  ptr node 8
struct kmem_cache 248
  ptr cpu_slab 0
  ptr cpu_sheaves 8
  slab_flags_t flags 16
  u32 size 24
  u32 object_size 28
  u32 offset 40
  u32 sheaf_capacity 44
  u32 refcount 60
  u32 inuse 72
  u32 red_left_pad 80
  ptr name 88
  list_head list 96
  u64 random 176
  kmem_cache_per_node_ptrs[2] per_node 208
)";

constexpr std::string_view kLatestTypes = R"(
struct .page_head 16
  u64 compound_info 0
  u64 ~compound_head 0
)";

const std::map<std::string_view, u32, std::less<>> kPlainSizes{{"u8", 1}, {"u16", 2}, {"u32", 4}, {"u64", 8}, {"ptr", 8}};

// "u64[4]" -> u64 and 4; "u64" -> u64 and nothing.
std::pair<std::string_view, std::optional<u32>> split_array(std::string_view type) {
  std::size_t bracket = type.find('[');
  if (bracket == std::string_view::npos) return {type, std::nullopt};
  u32 count = 0;
  std::from_chars(type.data() + bracket + 1, type.data() + type.size(), count);
  return {type.substr(0, bracket), count};
}

// Adds the types of one FakeTypes to a BTF, each after those it refers to.
class Writer {
 public:
  explicit Writer(btf* to) : to_(to) {
    for (auto [name, size] : kPlainSizes) {
      ids_[std::string(name)] = name == "ptr" ? btf__add_ptr(to, 0) : btf__add_int(to, std::string(name).c_str(), size, 0);
    }
  }
  int id_of(std::string_view type) {
    if (type.ends_with('*')) return pointer_to(std::string(type.substr(0, type.size() - 1)));
    auto [element, count] = split_array(type);
    auto found = ids_.find(element);
    VERIFY(found != ids_.end());
    return count ? btf__add_array(to_, ids_.find("u32")->second, found->second, *count) : found->second;
  }
  std::map<std::string, int, std::less<>>& ids() { return ids_; }

 private:
  // The struct may be the base's, or be written later.
  int pointer_to(const std::string& type) {
    auto known = ids_.find(type);
    int id = known != ids_.end() ? known->second : btf__find_by_name_kind(to_, type.c_str(), BTF_KIND_STRUCT);
    return btf__add_ptr(to_, id > 0 ? id : btf__add_fwd(to_, type.c_str(), BTF_FWD_STRUCT));
  }

  btf* to_;
  std::map<std::string, int, std::less<>> ids_;
};

}  // namespace

std::ostream& operator<<(std::ostream& out, const FakeVersion& version) {
  return out << version.name;
}

FakeTypes FakeTypes::of(const FakeVersion& version) {
  FakeTypes types(kCommonTypes);
  types.add(version.is_typed ? kNewTypes : kOldTypes);
  types.add(kOriginTypes);
  types.add(kPageOwnerTypes);
  types.add(kChargeTypes);
  if (version.is_typed) {
    types.add(kNewChargeTypes);
    auto& fields = types.find("pcpu_chunk")->fields;
    std::ranges::find(fields, "obj_cgroups", &Field::name)->name = "obj_exts";
  }
  types.add(version.is_typed ? kNewHandleTypes : kOldHandleTypes);
  if (!version.has_slab) {
    types.add(kOldestTypes);
    auto& fields = types.find("task_struct")->fields;
    std::ranges::find(fields, "worker_private", &Field::name)->name = "set_child_tid";
    types.add(kOldestTrackTypes);
    types.remove("stack_record");
    types.remove("handle_parts");
  }
  if (version.barns != FakeBarns::None) {
    types.add(kSheafTypes);
    types.add(version.barns == FakeBarns::OfNode ? kNodeBarnTypes : kPerNodeBarnTypes);
  }
  if (version.is_latest) {
    types.add(kLatestTypes);
    auto& fields = types.find("task_struct")->fields;
    std::ranges::find(fields, "on_cpu", &Field::name)->type = "u8";
    types.find("slab")->fields.push_back({.type = "u32", .name = "stride", .offset = 44});
  }
  if (version.fpu_follows) {
    types.remove("thread_struct.fpu");
    types.find("thread_struct")->size = 128;
    types.find("task_struct")->size = 640;
  }
  if (!version.has_cpu_slab) {
    types.remove("kmem_cache.cpu_slab");
    types.remove("kmem_cache_cpu");
  }
  if (version.has_kmalloc) types.find("pagetype")->fields.push_back({.type = {}, .name = "PGTY_large_kmalloc", .value = 248});
  if (!version.is_hardened) types.remove("kmem_cache.random");
  if (version.is_shifted) types.shift();
  return types;
}

void FakeTypes::add(std::string_view text) {
  std::istringstream lines{std::string(text)};
  Type* current = nullptr;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string first, second, third;
    words >> first >> second >> third;
    if (first.empty()) continue;
    if (line[0] != ' ') {
      bool is_struct = first == "struct" || first == "hidden";
      Type type{is_struct ? Kind::Struct : first == "enum" ? Kind::Enum : Kind::Typedef, second, third, 0, {}, first == "hidden"};
      if (type.kind == Kind::Struct) type.size = static_cast<u32>(std::stoul(third));
      if (Type* old = find(second)) {
        *old = std::move(type);
        current = old;
        continue;
      }
      types_.push_back(std::move(type));
      current = &types_.back();
    } else if (current->kind == Kind::Enum) {
      current->fields.push_back({.type = {}, .name = first, .value = std::stol(second)});
    } else {
      Field field{.type = first, .name = second == "-" ? "" : second, .is_hidden = second[0] == '~'};
      if (field.is_hidden) field.name.erase(0, 1);
      std::sscanf(third.c_str(), "%u:%u:%u", &field.offset, &field.bit, &field.bits);
      current->fields.push_back(field);
    }
  }
}

void FakeTypes::remove(std::string_view what) {
  std::size_t dot = what.find('.');
  if (dot == std::string_view::npos) {
    VERIFY(std::erase_if(types_, [&](const Type& type) { return type.name == what; }) == 1);
    return;
  }
  std::string_view name = what.substr(dot + 1);
  auto erase = [&](Type& type) { return std::erase_if(type.fields, [&](const Field& field) { return field.name == name; }); };
  Type* type = find(what.substr(0, dot));
  VERIFY(type != nullptr);
  std::size_t erased = erase(*type);
  for (const Field& field : type->fields) {
    if (field.name.empty()) erased += erase(*find(field.type));
  }
  VERIFY(erased == 1);
}

// Every struct gets some words more at its start.
void FakeTypes::shift() {
  u32 number = 0;
  for (Type& type : types_) {
    if (type.kind != Kind::Struct || type.name[0] == '.' || type.name == "list_head" || type.name == "handle_parts") continue;
    u32 bytes = 8 * (1 + number++ % 3);
    for (Field& field : type.fields) field.offset += bytes;
    type.size += bytes;
  }
  // Structs that are inside others have grown: what stands behind them moves on.
  for (std::string_view outer :
       {"sched_entity", "rb_list", "vmap_node", "module_memory", "module", "fpu", "thread_struct", "task_struct", "kfree_rcu_cpu",
        "pglist_data", "kmem_cache", "kfence_metadata", "mem_cgroup", "cgroup", "slabobj_ext", "pcpuobj_ext"}) {
    Type& type = *find(outer);
    for (std::size_t i = 0; i < type.fields.size(); ++i) {
      u32 end = type.fields[i].offset + size_of_type(type.fields[i].type);
      if (i + 1 < type.fields.size()) type.fields[i + 1].offset = std::max(type.fields[i + 1].offset, end);
      type.size = std::max(type.size, end);
    }
  }
  Field& order = find("folio")->fields.back();
  order.offset = size("page") + member("page", "flags").offset_bytes;
  find("folio")->size = 2 * size("page");
  find("slab")->size = size("page");
  u32 page_shift = member("page", "flags").offset_bytes;
  u32 slab_shift = member("slab", "__page_flags").offset_bytes;
  for (Field& field : find("slab")->fields) field.offset += page_shift - slab_shift;
}

FakeTypes::Type* FakeTypes::find(std::string_view name) {
  auto found = std::ranges::find(types_, name, &Type::name);
  return found == types_.end() ? nullptr : &*found;
}

u32 FakeTypes::size_of_type(std::string_view type) const {
  if (type.ends_with('*')) return 8;
  auto [element, count] = split_array(type);
  if (count) return *count * size_of_type(element);
  if (auto plain = kPlainSizes.find(element); plain != kPlainSizes.end()) return plain->second;
  const Type* found = find(element);
  VERIFY(found != nullptr);
  return found->kind == Kind::Typedef ? size_of_type(found->target) : found->size;
}

u32 FakeTypes::size(std::string_view type) const {
  return size_of_type(type);
}

std::optional<Member> FakeTypes::find_member(const Type& type, std::string_view name, std::string* member_type) const {
  for (const Field& field : type.fields) {
    if (field.name == name) {
      *member_type = field.type;
      return Member{field.offset + field.bit / 8, size_of_type(field.type), static_cast<u8>(field.bit % 8),
                    static_cast<u8>(field.bits)};
    }
    if (!field.name.empty()) continue;
    if (auto inner = find_member(*find(field.type), name, member_type)) {
      inner->offset_bytes += field.offset;
      return inner;
    }
  }
  return std::nullopt;
}

Member FakeTypes::member(std::string_view type, std::string_view path) const {
  u32 base = 0;
  std::string name(type);
  for (;;) {
    std::size_t dot = path.find('.');
    const Type* at = find(split_array(name).first);
    VERIFY(at != nullptr);
    auto found = find_member(*at, path.substr(0, dot), &name);
    if (!found) bug(fmt::format("no member {} in struct {}", path, type).c_str());
    found->offset_bytes += base;
    base = found->offset_bytes;
    if (dot == std::string_view::npos) return *found;
    path.remove_prefix(dot + 1);
  }
}

i64 FakeTypes::enumerator(std::string_view type, std::string_view name) const {
  const Type* found = find(type);
  VERIFY(found != nullptr);
  auto field = std::ranges::find(found->fields, name, &Field::name);
  VERIFY(field != found->fields.end());
  return field->value;
}

// Those that are written, each after those it refers to.
std::vector<const FakeTypes::Type*> FakeTypes::in_order() const {
  std::vector<const Type*> order;
  auto add = [&](auto& self, const Type& type) -> void {
    if (type.is_hidden || std::ranges::find(order, &type) != order.end()) return;
    for (const Field& field : type.fields) {
      if (const Type* inner = find(split_array(field.type).first)) self(self, *inner);
    }
    order.push_back(&type);
  };
  for (const Type& type : types_) add(add, type);
  return order;
}

void FakeTypes::write(const std::string& path, const std::string& base_path) const {
  btf* base = base_path.empty() ? nullptr : btf__parse(base_path.c_str(), nullptr);
  btf* out = base == nullptr ? btf__new_empty() : btf__new_empty_split(base);
  VERIFY(out != nullptr);
  Writer writer(out);
  for (const Type* next : in_order()) {
    const Type& type = *next;
    const char* name = type.name[0] == '.' ? nullptr : type.name.c_str();
    std::vector<int> member_ids;  // fields are added to the newest type: theirs come first
    for (const Field& field : type.fields) member_ids.push_back(type.kind == Kind::Struct ? writer.id_of(field.type) : 0);
    int target = type.kind == Kind::Typedef ? writer.id_of(type.target) : 0;
    int id = 0;
    switch (type.kind) {
      case Kind::Typedef: id = btf__add_typedef(out, name, target); break;
      case Kind::Struct: id = btf__add_struct(out, name, type.size); break;
      case Kind::Enum: id = btf__add_enum(out, name, 4); break;
    }
    VERIFY(id > 0);
    writer.ids()[type.name] = id;
    for (std::size_t i = 0; i < type.fields.size(); ++i) {
      const Field& field = type.fields[i];
      if (field.is_hidden) continue;
      const char* field_name = field.name.empty() ? nullptr : field.name.c_str();
      int error = type.kind == Kind::Enum
                      ? btf__add_enum_value(out, field_name, field.value)
                      : btf__add_field(out, field_name, member_ids[i], field.offset * 8 + field.bit, field.bits);
      VERIFY(error == 0);
    }
  }
  u32 size = 0;
  const void* bytes = btf__raw_data(out, &size);
  VERIFY(bytes != nullptr);
  std::ofstream(path, std::ios::binary).write(static_cast<const char*>(bytes), size);
  btf__free(out);
  btf__free(base);
}

Btf FakeTypes::load() const {
  std::string path = (std::filesystem::temp_directory_path() / fmt::format("orphan_btf_{}", ::getpid())).string();
  write(path);
  auto loaded = Btf::load(path);
  std::filesystem::remove(path);
  VERIFY(bool(loaded));
  return std::move(*loaded);
}

}  // namespace orphan::kernel
