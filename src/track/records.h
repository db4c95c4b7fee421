/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs in the kernel write and the tracker reads: plain C, the same for both. All of it is in arrays that both have
 * mapped; nothing takes a lock. A word that was torn by two writers shows, and is not believed. */
#pragma once
/* NOLINTBEGIN: the checks are for C++ */

#ifdef __bpf__
typedef unsigned char orphan_u8;
typedef unsigned int orphan_u32;
typedef unsigned long long orphan_u64;
#else
#include <stdint.h>
typedef uint8_t orphan_u8;
typedef uint32_t orphan_u32;
typedef uint64_t orphan_u64;
#endif

enum {
  ORPHAN_PLACES = 4,       /* of a bucket */
  ORPHAN_FRAMES = 32,      /* of a stack */
  ORPHAN_STACK_PROBES = 8, /* places where a stack may be */
  ORPHAN_SITE_PROBES = 4,  /* the same of a call site */
  ORPHAN_DEPTHS = 1 << 14, /* bytes of a kernel stack */
  ORPHAN_WAYS = 32,        /* a call site may have as many stacks taken as so many ways to it */
  ORPHAN_WINDOW_SHIFT = 6, /* a window is so many jiffies, as a power of two */
  ORPHAN_MOST_CPUS = 1024,
  ORPHAN_MOST_BULK = 64,   /* objects of one bulk allocation that are noted */
  ORPHAN_MOST_FREED = 512, /* objects of one free in bulk that are: kfree_rcu() has a page of them */
  ORPHAN_WANTED = 256,     /* places for the caches whose objects are noted */
  ORPHAN_CACHES = 1024,    /* places for names of caches */
  ORPHAN_CACHE_PROBES = 8, /* places where a cache may be, in both */
  ORPHAN_PENDING = 1024,   /* places for vmalloc() calls that have not returned */
  ORPHAN_MODULES = 64,     /* places for modules that were loaded */
  ORPHAN_MOST_SLOT = 8192, /* bytes of the largest slot of a kmalloc cache; larger ones are whole pages */
};

/* How a block was allocated. */
enum orphan_kind {
  ORPHAN_KMALLOC = 1,
  ORPHAN_CACHE = 2,
  ORPHAN_VMALLOC = 3,
  ORPHAN_PERCPU = 4,
  ORPHAN_PAGES = 5,
};

/* What ran when it was. */
enum orphan_context {
  ORPHAN_TASK = 0,
  ORPHAN_SOFTIRQ = 1,
  ORPHAN_HARDIRQ = 2,
};

/* The last allocation of the block at an address. */
struct orphan_record {
  orphan_u64 key;  /* ~address, so that the kernel's memory holds no pointer to the block; 0: nothing yet */
  orphan_u64 site; /* the return address of the allocation; 0: not known */
  orphan_u64 jiffies;
  orphan_u32 stack;       /* place of the stack + 1; 0: none was taken */
  orphan_u32 stack_check; /* low half of its hash: another may have its place by now */
  orphan_u32 size;        /* bytes asked for; of ORPHAN_CACHE the low half of the cache's address, if known */
  orphan_u32 pid;
  orphan_u32 tgid;
  orphan_u8 kind;
  orphan_u8 context;
  unsigned short depth; /* how deep the stack was, in bytes, to some start: ways to one call site differ in it */
  char comm[16];
};

/* The records of some addresses: of more than there are places, the oldest goes. */
struct orphan_bucket {
  struct orphan_record places[ORPHAN_PLACES];
};

struct orphan_stack {
  orphan_u64 hash; /* of the frames, never 0; 0: free */
  orphan_u32 count;
  orphan_u32 spare;
  orphan_u64 frames[ORPHAN_FRAMES]; /* return addresses, innermost first; 0 behind the last */
};

/* How often stacks are taken at a call site, and of one way to it. */
struct orphan_site {
  orphan_u64 key;    /* the site, or orphan_way_key() */
  orphan_u64 window; /* the number of the one that `taken` counts in */
  orphan_u32 taken;
  orphan_u32 spare;
};

/* Of one CPU. */
struct orphan_counts {
  orphan_u64 events;
  orphan_u64 records;
  orphan_u64 replaced; /* records that took another address's place */
  orphan_u64 stacks;   /* that were taken */
  orphan_u64 full;     /* of these, for which there was no place */
  orphan_u64 lost;     /* objects of a bulk allocation beyond ORPHAN_MOST_BULK, and what could not be read */
  orphan_u64 frees;
  long long left; /* bytes until the next note, where not each allocation is to have one */
};

/* What a cache is called. */
struct orphan_cache {
  orphan_u32 key; /* the low half of its address; 0: free */
  orphan_u32 slot_bytes;
  char name[32];
};

/* A call of vmalloc() that has not returned. */
struct orphan_pending {
  orphan_u64 task; /* its number, and that of its process */
  orphan_u64 bytes;
};

/* A module that was loaded, and where its code lay. */
struct orphan_module {
  orphan_u64 key, init_key;     /* ~address, as above */
  orphan_u32 bytes, init_bytes; /* 0: there is none */
  char name[56];
};

/* FNV-1a over whole words. */
static inline orphan_u64 orphan_hash_frames(const orphan_u64* frames, orphan_u32 count) {
  orphan_u64 hash = 0xcbf29ce484222325ULL;
  for (orphan_u32 i = 0; i < ORPHAN_FRAMES && i < count; ++i) hash = (hash ^ frames[i]) * 0x100000001b3ULL;
  hash ^= hash >> 32;
  return hash == 0 ? 1 : hash;
}

/* What stands for one way to a call site: ways differ in how deep the stack is, and in what they ask for. Mixed, since code is at
 * the end of the address space, and a site itself is a key, too. */
static inline orphan_u64 orphan_way_key(orphan_u64 site, orphan_u64 depth, orphan_u64 size) {
  return site ^ (depth << 32 ^ size) * 0x9e3779b97f4a7c15ULL ^ 1ULL << 63;
}

/* The bucket of an address, of `mask` + 1. Blocks are eight bytes apart at least, per-CPU areas four. */
static inline orphan_u64 orphan_bucket_of(orphan_u64 address, orphan_u64 mask) {
  return ((address >> 2) * 0x9e3779b97f4a7c15ULL >> 32) & mask;
}

/* The first of the places, of a power of two, where a cache may be. */
static inline orphan_u32 orphan_cache_place(orphan_u32 key, orphan_u32 places) {
  return key * 0x9e3779b9U >> 16 & (places - 1);
}
/* NOLINTEND */
