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

/* Judged where pages are blocks (orphan scan --pages), where the kinds that start with "page-leak" are leaks. */
static void plant_page_leaks(void)
{
	static const unsigned int orders[] = { 0, 1, 3 };
	unsigned int i;
	void *page;

	for (i = 0; i < ARRAY_SIZE(orders); i++) {
		page = (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, orders[i]);
		truth_add(hard("page-leak"), "page", page, PAGE_SIZE << orders[i]);
		page = (void *)__get_free_pages(GFP_KERNEL, orders[i]);
		truth_add(hard("page-leak-filled"), "page", page, PAGE_SIZE << orders[i]);
		if (page)
			memset(page, 'L', PAGE_SIZE << orders[i]);
	}
	truth_add(hard("page-leak-compound"), "page",
		  (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO | __GFP_COMP, 2), 4 * PAGE_SIZE);
}

static phys_addr_t physical_of_page;
static unsigned long number_of_page;

static void plant_hidden_pages(void)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);

	truth_add(hard("page-by-physical-address"), "page", page ? page_address(page) : NULL, PAGE_SIZE);
	if (page)
		WRITE_ONCE(physical_of_page, page_to_phys(page));
	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	truth_add(hard("page-by-frame-number"), "page", page ? page_address(page) : NULL, PAGE_SIZE);
	if (page)
		WRITE_ONCE(number_of_page, page_to_pfn(page));
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
	plant_hidden_pages();
}
