// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* kmem_caches of our own. SLUB may merge those without constructor with others; the table has the names asked for. */
#include <linux/list.h>
#include <linux/slab.h>

#include "leaky.h"

struct constructed {
	struct list_head link;
	unsigned long magic;
};

/* Like the constructors of inode caches: free objects, too, hold pointers to themselves. */
static void construct(void *object)
{
	struct constructed *constructed = object;

	INIT_LIST_HEAD(&constructed->link);
	constructed->magic = 0x1eaf;
}

static const struct {
	const char *name;
	unsigned int size;
	slab_flags_t flags;
	void (*constructor)(void *);
} specifications[CACHE_COUNT] = {
	{ "leaky_plain", 120, 0, NULL },
	{ "leaky_constructed", 144, 0, construct },
	{ "leaky_rcu", 88, SLAB_TYPESAFE_BY_RCU, NULL },
	{ "leaky_odd", 200, 0, NULL },
	{ "leaky_aligned", 72, SLAB_HWCACHE_ALIGN, NULL },
};

static struct kmem_cache *caches[CACHE_COUNT];
static struct kmem_cache *hard_cache;

int caches_init(void)
{
	unsigned int i;

	for (i = 0; i < CACHE_COUNT; i++) {
		caches[i] = kmem_cache_create(specifications[i].name, specifications[i].size, 0,
					      specifications[i].flags, specifications[i].constructor);
		if (!caches[i])
			return -ENOMEM;
	}
	/* A cache with a user copy region is never merged. */
	hard_cache = kmem_cache_create_usercopy("leaky_hard", HARD_SIZE, 0, 0, 0, HARD_SIZE, NULL);
	return hard_cache ? 0 : -ENOMEM;
}

noinline void *truth_cache_alloc(struct label label, unsigned int index)
{
	void *object = kmem_cache_alloc(caches[index], GFP_KERNEL);

	truth_add(label, specifications[index].name, object, specifications[index].size);
	return object;
}

noinline void truth_cache_alloc_bulk(struct label label, unsigned int count)
{
	void *objects[8];
	int i;

	count = kmem_cache_alloc_bulk(caches[0], GFP_KERNEL | __GFP_ZERO, min_t(size_t, count, ARRAY_SIZE(objects)), objects);
	for (i = 0; i < count; i++)
		truth_add(label, specifications[0].name, objects[i], specifications[0].size);
	memzero_explicit(objects, sizeof(objects));
}

noinline void *truth_hard_alloc(struct label label)
{
	void *object = kmem_cache_alloc(hard_cache, GFP_KERNEL);

	truth_add(label, "leaky_hard", object, HARD_SIZE);
	return object;
}
