/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * leaky: a module that leaks on purpose and knows the truth.
 *
 * Three classes of objects: LEAK (nothing points to them), LIVE (twins of the same shapes, each reached by one kind
 * of reference only) and HARD (the reference is hidden from any scanner; not judged). Each is entered in the truth
 * table, whose addresses are stored encoded: a plain one would itself be a reference.
 *
 * This module never unloads, and it keeps going when an allocation fails: the object is then missing from the table.
 */
#pragma once
#include <linux/types.h>

struct kmem_cache;
struct sk_buff;

enum truth_class { LEAK, LIVE, HARD };

/* The class, kind and group under which an object is entered. Strings must be literals. */
struct label {
  enum truth_class class;
  const char* kind;
  const char* group;
};

/* truth.c */
int truth_init(void);
void truth_next_round(void);
/* Enter an object. A NULL address is a failed allocation: complained about, not entered. */
void truth_add(struct label label, const char* allocator, const void* address, size_t size);
/* Allocate zeroed memory and enter it. NULL if that fails. */
void* truth_kmalloc(struct label label, size_t size);
void* truth_vmalloc(struct label label, size_t size);
/* Per-CPU memory: the address entered is the __percpu cookie. */
void __percpu* truth_percpu(struct label label, size_t size);
/* An skb with `size` bytes of data: the sk_buff and its data are entered. */
struct sk_buff* truth_skb(struct label label, size_t size);
extern const struct file_operations truth_fops;

/* caches.c: kmem_caches of our own, the same for leaks and twins. */
enum { CACHE_COUNT = 5 };
int caches_init(void);
void* truth_cache_alloc(struct label label, unsigned int index);
/* At most 8 of the first cache, in one call; the addresses are wiped. */
void truth_cache_alloc_bulk(struct label label, unsigned int count);
/* Never merged with another cache, so an object's neighbours are HARD ones too. */
void* truth_hard_alloc(struct label label);
enum { HARD_SIZE = 96 };
/* Leaks and free objects that a sheaf knows, where there are sheaves (since 6.18). */
void plant_sheaf(void);

/* leaks.c */
void plant_leaks(void);

/* twins_*.c, hard.c: planted once. */
struct dentry;
void plant_pointer_twins(const char* text_parameter);
void plant_structure_twins(void);
void plant_context_twins(struct dentry* directory);
void plant_kernel_twins(void);
void plant_hard(void);
