// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* kmem_caches of our own. SLUB may merge those without constructor with others; the table has the names asked for. */
#include <linux/list.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/version.h>

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

	count = min_t(size_t, count, ARRAY_SIZE(objects));
	/* All or nothing; what it returns was a count once, and is a boolean on 7.3. */
	if (!kmem_cache_alloc_bulk(caches[0], GFP_KERNEL | __GFP_ZERO, count, objects))
		count = 0;
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

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
/*
 * A cache with sheaves of 32. Of 16 objects 12 are freed into this CPU's sheaf, and the last 4 of these are handed out again:
 * these are leaked, and slots beyond the sheaf's size still point to them. What stays in the sheaf is free, and must not be
 * reported either.
 */
noinline void plant_sheaf(void)
{
	struct kmem_cache_args args = { .sheaf_capacity = 32 };
	struct kmem_cache *cache = kmem_cache_create("leaky_sheaf", 56, &args, SLAB_NO_MERGE);
	struct label leaked = { LEAK, "sheaf", "sheaf" }, freed = { LIVE, "free-in-sheaf", "free-in-sheaf" };
	void *objects[16];
	int i;

	if (!cache)
		return;
	preempt_disable();
	for (i = 0; i < ARRAY_SIZE(objects); i++)
		objects[i] = kmem_cache_alloc(cache, GFP_NOWAIT);
	for (i = 0; i < 12; i++) {
		if (objects[i])
			kmem_cache_free(cache, objects[i]);
	}
	for (i = 11; i >= 8; i--)
		objects[i] = kmem_cache_alloc(cache, GFP_NOWAIT);
	preempt_enable();
	for (i = 0; i < ARRAY_SIZE(objects); i++)
		truth_add(i < 8 ? freed : leaked, "leaky_sheaf", objects[i], 56);
	memzero_explicit(objects, sizeof(objects));
}
#else
void plant_sheaf(void)
{
}
#endif
