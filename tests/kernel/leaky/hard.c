// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Objects in use whose only reference is hidden, and leaks that a word in use still points to: known limits, not
 * judged. They come from a cache of their own, since a pointer beside an object is a pointer to its neighbour, and that
 * must not be a leak of ours.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/kfifo.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "leaky.h"

static unsigned long encoded;
static phys_addr_t physical;
static const char *past_end, *before_start;
static struct page *page_of_object, *page_of_large;
static struct {
	char tag[4];
	void *pointer;
} __packed __aligned(8) unaligned;

static struct label hard(const char *kind)
{
	return (struct label){ HARD, kind, kind };
}

static void plant_page_leaks(void)
{
	truth_add(hard("page-leak"), "page", (void *)get_zeroed_page(GFP_KERNEL), PAGE_SIZE);
	truth_add(hard("page-leak-compound"), "page",
		  (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO | __GFP_COMP, 2), 4 * PAGE_SIZE);
}

static DEFINE_KFIFO(ring, void *, 4);

/* Leaked, but what was taken out of a ring leaves its address there until the slot is used again. */
static void plant_stale_slot(void)
{
	void *object = truth_hard_alloc(hard("stale-ring"));

	if (!object || !kfifo_put(&ring, object))
		return;
	if (!kfifo_get(&ring, &object))
		pr_err("leaky: the ring is empty\n");
}

void plant_hard(void)
{
	char *object = truth_hard_alloc(hard("xor"));

	if (object)
		WRITE_ONCE(encoded, (unsigned long)object ^ 0xa5a5a5a5a5a5a5a5UL);
	object = truth_hard_alloc(hard("physical-address"));
	if (object)
		WRITE_ONCE(physical, virt_to_phys(object));
	object = truth_hard_alloc(hard("one-past-end"));
	if (object)
		WRITE_ONCE(past_end, object + HARD_SIZE);
	do /* not the first of a slab: whose is the page before? */
		object = truth_hard_alloc(hard("before-start"));
	while (object && offset_in_page(object) < HARD_SIZE);
	if (object)
		WRITE_ONCE(before_start, object - 8);
	unaligned.pointer = truth_hard_alloc(hard("unaligned"));
	barrier_data(&unaligned);
	object = truth_hard_alloc(hard("struct-page-of-slab"));
	if (object)
		WRITE_ONCE(page_of_object, virt_to_page(object));
	object = truth_kmalloc(hard("struct-page-of-large"), 32 << 10);
	if (object)
		WRITE_ONCE(page_of_large, virt_to_page(object));
	plant_stale_slot();
	plant_page_leaks();
}
