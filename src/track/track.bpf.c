// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
// Notes who allocates what: one record an address, in an array, by programs on the kernel's own tracepoints. Frees are not looked
// at: the heap walk says what is live. Tables of fixed size, no locks, nothing is allocated here, so an allocation inside of an
// allocation is no trouble.
// clang-format off: the first has the types of the others
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <stdbool.h>
// clang-format on

#include "records.h"

char license_of_this[] SEC("license") = "GPL";

// Set before the programs are loaded.
const volatile __u32 bucket_mask = 0;
const volatile __u32 stack_mask = 0;
const volatile __u32 site_mask = 0;
const volatile __u32 stacks_a_window = 0;   // of a call site
const volatile __u32 least_bytes = 0;       // kmallocs of smaller slots are not noted
const volatile __u32 only_tgid = 0;         // 0: all
const volatile __u32 never_tgid = 0;        // nothing of this process
const volatile __u64 only_cgroup = 0;       // 0: all; this one and those below it
const volatile __u32 cgroup_level = 0;      // how far that is below the root
const volatile __u64 sample_bytes = 0;      // about one note for so many bytes; 0: one for each allocation
const volatile __u8 only_wanted = 0;        // only of the caches, and of kmallocs of the slots, in `wanted`
const volatile __u8 large_wanted = 0;       // and of kmallocs of whole pages
const volatile __u8 names_caches = 0;       // `caches` is to have those of the notes
const volatile __u8 cache_is_argument = 0;  // of kmem_cache_alloc's tracepoint: before 6.1 it has sizes there
const volatile __u8 bulk_is_all = 0;        // kmem_cache_alloc_bulk() says only if it allocated all (since 7.0); else how many
const volatile __u8 percpu_has_site = 0;    // the tracepoint tells it
// To turn a page's descriptor into its address.
const volatile __u64 page_descriptors = 0, linear_map = 0, descriptor_bytes = 64;

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct orphan_bucket);
} buckets SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct orphan_stack);
} stacks SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct orphan_site);
} sites SEC(".maps");

// By CPU. A stack is taken here first: it is too large for the programs' own.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, ORPHAN_MOST_CPUS);
  __type(key, __u32);
  __type(value, struct orphan_stack);
} scratch SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, ORPHAN_MOST_CPUS);
  __type(key, __u32);
  __type(value, struct orphan_counts);
} counts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, ORPHAN_WANTED);
  __type(key, __u32);
  __type(value, __u32);
} wanted SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct orphan_cache);
} caches SEC(".maps");

// By the task: of two at one place the last.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, ORPHAN_PENDING);
  __type(key, __u32);
  __type(value, struct orphan_pending);
} pending SEC(".maps");

// By the address of their code: of two at one place the last.
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(map_flags, BPF_F_MMAPABLE);
  __uint(max_entries, ORPHAN_MODULES);
  __type(key, __u32);
  __type(value, struct orphan_module);
} modules SEC(".maps");

struct kmem_cache {
  unsigned int size;
  const char* name;
} __attribute__((preserve_access_index));

// Where the kernel counts how deep it is in interrupts: a variable of its own, or from 6.2 to 6.14 a member of this.
struct pcpu_hot {
  int preempt_count;
} __attribute__((preserve_access_index));
extern const int __preempt_count __ksym __weak;
extern const struct pcpu_hot pcpu_hot __ksym __weak;

static __always_inline __u8 context_now(void) {
  __u32 count = 0;
  if (&__preempt_count)
    count = *(const __u32*)bpf_this_cpu_ptr(&__preempt_count);
  else if (&pcpu_hot)
    count = (__u32)((const struct pcpu_hot*)bpf_this_cpu_ptr(&pcpu_hot))->preempt_count;
  if (count & 0x000f0000) return ORPHAN_HARDIRQ;
  // The lowest bit of these: it serves one, and has not only turned them off.
  return count & 0x00000100 ? ORPHAN_SOFTIRQ : ORPHAN_TASK;
}

static __always_inline struct orphan_counts* counts_here(__u32* cpu) {
  *cpu = bpf_get_smp_processor_id() & (ORPHAN_MOST_CPUS - 1);
  return bpf_map_lookup_elem(&counts, cpu);
}

// Takes one of what is left in this window for `key`; false: there is nothing.
static __always_inline bool take_one(__u64 key, __u64 window, __u32 most) {
  __u32 first = (__u32)(key * 0x9e3779b97f4a7c15ULL >> 32);
  struct orphan_site* mine = 0;
#pragma clang loop unroll(full)
  for (__u32 i = 0; i < ORPHAN_SITE_PROBES; ++i) {
    __u32 place = (first + i) & site_mask;
    mine = bpf_map_lookup_elem(&sites, &place);
    if (!mine) return true;
    if (mine->key == key) break;
    // A place whose owner has not been seen in this window is free.
    if (mine->key == 0 || mine->window != window) break;
  }
  if (mine->key != key || mine->window != window) {
    mine->key = key;
    mine->window = window;
    mine->taken = 0;
  }
  if (mine->taken >= most) return false;
  ++mine->taken;
  return true;
}

// Whether the stack is to be taken: of each way to a call site some, of the site not too many.
static __always_inline bool wants_stack(const struct orphan_record* record) {
  if (stacks_a_window == ~0U || record->site == 0) return true;
  __u64 window = record->jiffies >> ORPHAN_WINDOW_SHIFT;
  __u64 way = orphan_way_key(record->site, record->depth, record->size);
  return take_one(way, window, stacks_a_window) && take_one(record->site, window, stacks_a_window * ORPHAN_WAYS);
}

struct place {
  __u32 stack, check;
};

// Takes the stack that `context` came by, and keeps it unless it is known.
static __always_inline struct place take_stack(void* context, __u32 cpu, struct orphan_counts* count) {
  struct place none = {0, 0};
  struct orphan_stack* taken = bpf_map_lookup_elem(&scratch, &cpu);
  if (!taken) return none;
  long bytes = bpf_get_stack(context, taken->frames, sizeof(taken->frames), 0);
  if (bytes <= 0) return none;
  ++count->stacks;
  __u32 frames = (__u32)bytes / 8;
  __u64 hash = orphan_hash_frames(taken->frames, frames);
#pragma clang loop unroll(full)
  for (__u32 i = 0; i < ORPHAN_STACK_PROBES; ++i) {
    __u32 place = ((__u32)(hash >> 7) + i) & stack_mask;
    struct orphan_stack* entry = bpf_map_lookup_elem(&stacks, &place);
    if (!entry) return none;
    struct place found = {place + 1, (__u32)hash};
    if (entry->hash == hash) return found;
    if (entry->hash != 0) continue;
    entry->hash = hash;
    entry->count = frames;
    bpf_probe_read_kernel(entry->frames, sizeof(entry->frames), taken->frames);
    return found;
  }
  ++count->full;
  return none;
}

static __always_inline void put(struct orphan_counts* count, __u64 address, const struct orphan_record* from) {
  __u32 number = (__u32)orphan_bucket_of(address, bucket_mask);
  struct orphan_bucket* bucket = bpf_map_lookup_elem(&buckets, &number);
  if (!bucket) return;
  struct orphan_record* record = &bucket->places[0];
#pragma clang loop unroll(full)
  for (__u32 i = 0; i < ORPHAN_PLACES; ++i) {
    struct orphan_record* candidate = &bucket->places[i];
    if (candidate->key == ~address) {
      record = candidate;
      break;
    }
    // A free one is the oldest of all.
    if (candidate->jiffies < record->jiffies) record = candidate;
  }
  if (record->key != 0 && record->key != ~address) ++count->replaced;
  ++count->records;
  // Without the key it is nobody's while it is written.
  record->key = 0;
  record->site = from->site;
  record->jiffies = from->jiffies;
  record->stack = from->stack;
  record->stack_check = from->stack_check;
  record->size = from->size;
  record->pid = from->pid;
  record->tgid = from->tgid;
  record->kind = from->kind;
  record->context = from->context;
  record->depth = from->depth;
  __builtin_memcpy(record->comm, from->comm, sizeof(record->comm));
  barrier_var(record);
  record->key = ~address;
}

// The note of this address goes. It was allocated anew, or freed.
static __always_inline void forget(__u64 address) {
  __u32 number = (__u32)orphan_bucket_of(address, bucket_mask);
  struct orphan_bucket* bucket = bpf_map_lookup_elem(&buckets, &number);
  if (!bucket) return;
#pragma clang loop unroll(full)
  for (__u32 i = 0; i < ORPHAN_PLACES; ++i) {
    if (bucket->places[i].key != ~address) continue;
    bucket->places[i].key = 0;
    bucket->places[i].jiffies = 0;
  }
}

// `key`: a cache's, or the bytes of a kmalloc's slot.
static __always_inline bool is_wanted(__u32 key) {
  if (!only_wanted) return true;
  __u32 first = orphan_cache_place(key, ORPHAN_WANTED);
#pragma clang loop unroll(full)
  for (__u32 i = 0; i < ORPHAN_CACHE_PROBES; ++i) {
    __u32 place = (first + i) & (ORPHAN_WANTED - 1);
    __u32* entry = bpf_map_lookup_elem(&wanted, &place);
    if (!entry || *entry == 0) return false;
    if (*entry == key) return true;
  }
  return false;
}

static __always_inline void name_cache(const struct kmem_cache* cache) {
  __u32 key = (__u32)(__u64)cache, first = orphan_cache_place(key, ORPHAN_CACHES);
  if (!names_caches || !cache) return;
#pragma clang loop unroll(full)
  for (__u32 i = 0; i < ORPHAN_CACHE_PROBES; ++i) {
    __u32 place = (first + i) & (ORPHAN_CACHES - 1);
    struct orphan_cache* entry = bpf_map_lookup_elem(&caches, &place);
    if (!entry || entry->key == key) return;
    if (entry->key != 0) continue;
    entry->key = key;
    entry->slot_bytes = BPF_CORE_READ(cache, size);
    bpf_probe_read_kernel_str(entry->name, sizeof(entry->name), BPF_CORE_READ(cache, name));
    return;
  }
}

// Whether an allocation of so many bytes by whoever runs now is to have a note.
static __always_inline bool is_chosen(struct orphan_counts* count, __u64 bytes) {
  if (only_tgid != 0 && bpf_get_current_pid_tgid() >> 32 != only_tgid) return false;
  if (never_tgid != 0 && bpf_get_current_pid_tgid() >> 32 == never_tgid) return false;
  if (only_cgroup != 0 && bpf_get_current_ancestor_cgroup_id(cgroup_level) != only_cgroup) return false;
  if (sample_bytes == 0) return true;
  count->left -= (long long)bytes;
  if (count->left > 0) return false;
  // Half as many to one and a half times as many as the mean, so that nothing keeps in step with it.
  count->left = (long long)(sample_bytes / 2 + ((__u64)bpf_get_prandom_u32() * sample_bytes >> 32));
  return true;
}

// All but the address.
static __always_inline void describe(void* context, struct orphan_record* record, struct orphan_counts* count, __u32 cpu,
                                     __u64 site, __u32 size, __u8 kind) {
  __u64 ids = bpf_get_current_pid_tgid();
  record->site = site;
  record->jiffies = bpf_jiffies64();
  record->size = size;
  record->pid = (__u32)ids;
  record->tgid = (__u32)(ids >> 32);
  record->kind = kind;
  record->context = context_now();
  // The context lies on the stack. Where it does may not be asked, but how far from a table that is.
  __u64 distance = (__u64)context - ((__u64)count - cpu * sizeof(*count));
  record->depth = distance & (ORPHAN_DEPTHS - 1);
  bpf_get_current_comm(record->comm, sizeof(record->comm));
  if (wants_stack(record)) {
    struct place place = take_stack(context, cpu, count);
    record->stack = place.stack;
    record->stack_check = place.check;
  }
}

// `size` as in a record; `bytes`: that are taken from memory, as far as it is known.
static __always_inline int note(void* context, __u64 address, __u64 site, __u32 size, __u8 kind, __u64 bytes) {
  __u32 cpu;
  struct orphan_counts* count = counts_here(&cpu);
  if (!count || address + 4096 < 8192) return 0;  // no memory, or an error
  if (!is_chosen(count, bytes)) {
    // The note of who had the block before is not this one's.
    forget(address);
    return 0;
  }
  ++count->events;
  struct orphan_record record = {};
  describe(context, &record, count, cpu, site, size, kind);
  put(count, address, &record);
  return 0;
}

static __always_inline int freed(__u64 address) {
  __u32 cpu;
  struct orphan_counts* count = counts_here(&cpu);
  if (!count || address + 4096 < 8192) return 0;
  ++count->frees;
  forget(address);
  return 0;
}

static __always_inline __u64 address_of_page(__u64 page) {
  return page < page_descriptors ? 0 : linear_map + (page - page_descriptors) / descriptor_bytes * 4096;
}

// --- the events; arguments as the tracepoints have them ---

static __always_inline int note_kmalloc(struct bpf_raw_tracepoint_args* context) {
  // (call_site, ptr, bytes_req, bytes_alloc, …)
  __u64 size = context->args[2], slot = context->args[3];
  if (slot < least_bytes) return 0;
  if (!(large_wanted && slot > ORPHAN_MOST_SLOT) && !is_wanted((__u32)slot)) return 0;
  return note(context, context->args[1], context->args[0], (__u32)size, ORPHAN_KMALLOC, slot);
}

SEC("raw_tracepoint/kmalloc")
int on_kmalloc(struct bpf_raw_tracepoint_args* context) {
  return note_kmalloc(context);
}

SEC("raw_tracepoint/kmalloc_node")
int on_kmalloc_node(struct bpf_raw_tracepoint_args* context) {
  return note_kmalloc(context);
}

static __always_inline int note_object(struct bpf_raw_tracepoint_args* context) {
  if (!cache_is_argument) {
    // (call_site, ptr, bytes_req, bytes_alloc, …)
    __u64 slot = context->args[3];
    if (!is_wanted((__u32)slot)) return 0;
    return note(context, context->args[1], context->args[0], 0, ORPHAN_CACHE, slot);
  }
  const struct kmem_cache* cache = (const struct kmem_cache*)context->args[2];
  if (!is_wanted((__u32)(__u64)cache)) return 0;
  name_cache(cache);
  __u64 slot = sample_bytes == 0 ? 0 : BPF_CORE_READ(cache, size);
  return note(context, context->args[1], context->args[0], (__u32)(__u64)cache, ORPHAN_CACHE, slot);
}

SEC("raw_tracepoint/kmem_cache_alloc")
int on_kmem_cache_alloc(struct bpf_raw_tracepoint_args* context) {
  return note_object(context);
}

SEC("raw_tracepoint/kmem_cache_alloc_node")
int on_kmem_cache_alloc_node(struct bpf_raw_tracepoint_args* context) {
  return note_object(context);
}

SEC("raw_tracepoint/percpu_alloc_percpu")
int on_percpu_alloc(struct bpf_raw_tracepoint_args* context) {
  // (call_site,) reserved, is_atomic, size, align, base_addr, off, ptr
  if (percpu_has_site) {
    __u64 size = context->args[3];
    return note(context, context->args[7], context->args[0], (__u32)size, ORPHAN_PERCPU, size);
  }
  __u64 size = context->args[2];
  return note(context, context->args[6], 0, (__u32)size, ORPHAN_PERCPU, size);
}

SEC("raw_tracepoint/mm_page_alloc")
int on_page_alloc(struct bpf_raw_tracepoint_args* context) {
  __u32 bytes = 4096U << (context->args[1] & 31);
  return note(context, address_of_page(context->args[0]), 0, bytes, ORPHAN_PAGES, bytes);
}

static __always_inline struct orphan_pending* pending_of(__u64 task) {
  __u32 place = (__u32)task & (ORPHAN_PENDING - 1);
  return bpf_map_lookup_elem(&pending, &place);
}

SEC("kprobe")
int on_vmalloc_entry(struct pt_regs* context) {
  __u64 task = bpf_get_current_pid_tgid();
  struct orphan_pending* call = pending_of(task);
  if (!call) return 0;
  call->bytes = PT_REGS_PARM1(context);
  call->task = task;
  return 0;
}

// How large it is the program on the entry knows, which is there where nobody else says so.
SEC("kretprobe")
int on_vmalloc(struct pt_regs* context) {
  __u64 task = bpf_get_current_pid_tgid();
  struct orphan_pending* call = pending_of(task);
  __u32 size = call && call->task == task ? (__u32)call->bytes : 0;
  return note(context, PT_REGS_RC(context), 0, size, ORPHAN_VMALLOC, sample_bytes * 2);  // it is large
}

// map_kernel_range_noflush(addr, size, prot, pages), which is called for each area up to 5.11: there the function above is a part
// of its callers.
SEC("kprobe")
int on_vmap(struct pt_regs* context) {
  return note(context, PT_REGS_PARM1(context), 0, (__u32)PT_REGS_PARM2(context), ORPHAN_VMALLOC, sample_bytes * 2);
}

// kmem_cache_alloc_bulk(s, flags, size, p). Arguments that point to pointers may not be read from the
// context itself.
SEC("fexit")
int on_bulk(__u64* context) {
  __u32 cpu;
  struct orphan_counts* count = counts_here(&cpu);
  __u64 cache = 0, objects = 0, got = 0;
  if (!count || bpf_get_func_ret(context, &got) != 0) return 0;
  if (bpf_get_func_arg(context, 0, &cache) != 0 || bpf_get_func_arg(context, 3, &objects) != 0) return 0;
  if (bulk_is_all) {
    // Of a bool only the lowest byte is set.
    if ((got & 0xff) == 0 || bpf_get_func_arg(context, 2, &got) != 0) return 0;
  }
  if ((__s32)got <= 0) return 0;
  if (!is_wanted((__u32)cache)) return 0;
  name_cache((const struct kmem_cache*)cache);
  __u64 slot = sample_bytes == 0 ? 0 : BPF_CORE_READ((const struct kmem_cache*)cache, size);
  bool is_noted = is_chosen(count, slot * (__u32)got);
  struct orphan_record record = {};
  if (is_noted) {
    count->events += (__u32)got;
    describe(context, &record, count, cpu, 0, (__u32)cache, ORPHAN_CACHE);
  }
  for (__u32 i = 0; i < ORPHAN_MOST_BULK; ++i) {
    if (i >= (__u32)got) return 0;
    __u64 object = 0;
    if (bpf_probe_read_kernel(&object, sizeof(object), (const void*)(objects + i * 8)) != 0)
      ++count->lost;
    else if (is_noted)
      put(count, object, &record);
    else
      forget(object);
  }
  if ((__u32)got > ORPHAN_MOST_BULK) count->lost += (__u32)got - ORPHAN_MOST_BULK;
  return 0;
}

// --- frees, where nothing else says what is live ---

SEC("raw_tracepoint/kfree")
int on_kfree(struct bpf_raw_tracepoint_args* context) {
  return freed(context->args[1]);
}

SEC("raw_tracepoint/kmem_cache_free")
int on_kmem_cache_free(struct bpf_raw_tracepoint_args* context) {
  return freed(context->args[1]);
}

SEC("raw_tracepoint/percpu_free_percpu")
int on_percpu_free(struct bpf_raw_tracepoint_args* context) {
  return freed(context->args[2]);
}

SEC("kprobe")
int on_vfree(struct pt_regs* context) {
  return freed(PT_REGS_PARM1(context));
}

// kmem_cache_free_bulk(s, size, p): kfree_rcu() ends here, too, without an event.
SEC("fentry")
int on_bulk_free(__u64* context) {
  __u32 cpu;
  struct orphan_counts* count = counts_here(&cpu);
  __u64 size = 0, objects = 0;
  if (!count || bpf_get_func_arg(context, 1, &size) != 0 || bpf_get_func_arg(context, 2, &objects) != 0) return 0;
  count->frees += size;
  for (__u32 i = 0; i < ORPHAN_MOST_FREED; ++i) {
    if (i >= size) return 0;
    __u64 object = 0;
    if (bpf_probe_read_kernel(&object, sizeof(object), (const void*)(objects + i * 8)) == 0)
      forget(object);
    else
      ++count->lost;
  }
  if (size > ORPHAN_MOST_FREED) count->lost += size - ORPHAN_MOST_FREED;
  return 0;
}

// __kfree_rcu_sheaf(s, obj), since 6.18.
SEC("fentry")
int on_rcu_sheaf(__u64* context) {
  __u64 object = 0;
  return bpf_get_func_arg(context, 1, &object) == 0 ? freed(object) : 0;
}

// --- what is asked beside ---

struct module_layout {
  void* base;
  unsigned int size;
} __attribute__((preserve_access_index));
struct module_memory {
  void* base;
  unsigned int size;
} __attribute__((preserve_access_index));
enum mod_mem_type { MOD_TEXT, MOD_INIT_TEXT = 4, MOD_MEM_NUM_TYPES = 7 };
// Up to 6.3, and since.
struct module___layouts {
  char name[56];
  struct module_layout core_layout, init_layout;
} __attribute__((preserve_access_index));
struct module___memory {
  char name[56];
  struct module_memory mem[MOD_MEM_NUM_TYPES];
} __attribute__((preserve_access_index));

SEC("raw_tracepoint/module_load")
int on_module_load(struct bpf_raw_tracepoint_args* context) {
  struct orphan_module module = {};
  if (bpf_core_type_exists(struct module_memory)) {
    const struct module___memory* from = (const struct module___memory*)context->args[0];
    module.key = ~(__u64)BPF_CORE_READ(from, mem[MOD_TEXT].base);
    module.bytes = BPF_CORE_READ(from, mem[MOD_TEXT].size);
    module.init_key = ~(__u64)BPF_CORE_READ(from, mem[MOD_INIT_TEXT].base);
    module.init_bytes = BPF_CORE_READ(from, mem[MOD_INIT_TEXT].size);
    BPF_CORE_READ_STR_INTO(&module.name, from, name);
  } else {
    const struct module___layouts* from = (const struct module___layouts*)context->args[0];
    module.key = ~(__u64)BPF_CORE_READ(from, core_layout.base);
    module.bytes = BPF_CORE_READ(from, core_layout.size);
    module.init_key = ~(__u64)BPF_CORE_READ(from, init_layout.base);
    module.init_bytes = BPF_CORE_READ(from, init_layout.size);
    BPF_CORE_READ_STR_INTO(&module.name, from, name);
  }
  __u32 place = (__u32)(module.key >> 12) & (ORPHAN_MODULES - 1);
  struct orphan_module* entry = bpf_map_lookup_elem(&modules, &place);
  if (entry) *entry = module;
  return 0;
}

// Not attached, but run by the tracker: what the kernel's clock of notes says.
__u64 clock_jiffies = 0;

SEC("raw_tracepoint")
int on_clock(void* context) {
  (void)context;
  clock_jiffies = bpf_jiffies64();
  return 0;
}
