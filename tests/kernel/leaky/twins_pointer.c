// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Live twins that differ in how one pointer looks and in what memory it lies. */
#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "leaky.h"

/* Stores into variables that are never read must be volatile (WRITE_ONCE), or the compiler drops the variables. */

static struct label live(const char *kind, const char *group)
{
	return (struct label){ LIVE, kind, group };
}

static void *global;
static const char *middle, *last_byte;
static unsigned long tagged[4];
static void *shapes[24];
static void *cached[2 * CACHE_COUNT];
static void *chain;

static void plant_plain_pointers(void)
{
	static const size_t sizes[] = {
		8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192,
		16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10,
	};
	unsigned int i;

	WRITE_ONCE(global, truth_kmalloc(live("global", "global"), 64));
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		WRITE_ONCE(shapes[i], truth_kmalloc(live("global-array", "global"), sizes[i]));
	for (i = 0; i < ARRAY_SIZE(cached); i++)
		WRITE_ONCE(cached[i], truth_cache_alloc(live("cache-live", "cache-live"), i / 2));
}

static void plant_inner_pointers(void)
{
	const char *object = truth_kmalloc(live("middle-pointer", "inner"), 256);

	if (object)
		WRITE_ONCE(middle, object + 128);
	object = truth_kmalloc(live("last-byte-pointer", "inner"), 256);
	if (object)
		WRITE_ONCE(last_byte, object + 255);
}

static void plant_tagged_pointers(void)
{
	static const unsigned long tags[ARRAY_SIZE(tagged)] = { 1, 2, 3, 7 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(tagged); i++) {
		void *object = truth_kmalloc(live("tagged-pointer", "tagged"), 128);

		if (object)
			WRITE_ONCE(tagged[i], (unsigned long)object | tags[i]);
	}
}

/* Each object is referenced only by the one before; the last hangs off ten others. */
static void plant_chain(void)
{
	void **place = &chain;
	unsigned int i;

	for (i = 0; i < 10; i++) {
		void **object = truth_kmalloc(live("chain", "chain"), 24 + 8 * i);

		WRITE_ONCE(*place, object);
		if (!object)
			return;
		place = object + 1;
	}
}

static void *vmalloc_holders[3], *large_holder;

/* The only pointer is the last word of a vmalloc area, or of a large kmalloc. */
static void plant_in_big_memory(void)
{
	static const size_t sizes[] = { PAGE_SIZE, 5 * PAGE_SIZE, 300 << 10 };
	void **holder;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		holder = truth_vmalloc(live("vmalloc-live", "in-vmalloc"), sizes[i]);
		if (!holder)
			continue;
		holder[sizes[i] / sizeof(*holder) - 1] = truth_kmalloc(live("in-vmalloc", "in-vmalloc"), 72);
		WRITE_ONCE(vmalloc_holders[i], holder);
	}
	holder = truth_kmalloc(live("large-live", "in-large"), 64 << 10);
	if (!holder)
		return;
	holder[(64 << 10) / sizeof(*holder) - 1] = truth_kmalloc(live("in-large", "in-large"), 72);
	WRITE_ONCE(large_holder, holder);
}

static void *page_address_holder;
static struct page *page_holder, *compound_holder, *private_holder;

static void enter_page(const char *kind, struct page *page, unsigned int order)
{
	truth_add(live(kind, "in-page"), "page", page ? page_address(page) : NULL, PAGE_SIZE << order);
}

/* Pages from the page allocator, known by address or by struct page; the only pointer is in their last word. */
static void plant_in_pages(void)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	void **words;

	enter_page("page-by-address", page, 0);
	if (page) {
		words = page_address(page);
		words[PAGE_SIZE / sizeof(*words) - 1] = truth_kmalloc(live("in-page-by-address", "in-page"), 104);
		WRITE_ONCE(page_address_holder, words);
	}
	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	enter_page("page-by-struct-page", page, 0);
	if (page) {
		words = page_address(page);
		words[PAGE_SIZE / sizeof(*words) - 1] = truth_kmalloc(live("in-page-by-struct-page", "in-page"), 104);
		WRITE_ONCE(page_holder, page);
	}
	page = alloc_pages(GFP_KERNEL | __GFP_ZERO | __GFP_COMP, 2);
	enter_page("compound-page", page, 2);
	if (page) {
		words = page_address(page);
		words[4 * PAGE_SIZE / sizeof(*words) - 1] = truth_kmalloc(live("in-compound-page", "in-page"), 104);
		WRITE_ONCE(compound_holder, page);
	}
	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	enter_page("page-with-private", page, 0);
	if (page) {
		set_page_private(page, (unsigned long)truth_kmalloc(live("page-private", "in-page"), 104));
		WRITE_ONCE(private_holder, page);
	}
}

static void *block_holder, *mapping_holder;
static LIST_HEAD(pages);

/* Pages that are found on other ways: inside of a block without __GFP_COMP, on a list, and where they are mapped. */
static void plant_page_owners(void)
{
	struct page *page = alloc_pages(GFP_KERNEL | __GFP_ZERO, 2);
	unsigned int i;

	enter_page("inside-block-of-pages", page, 2);
	if (page)
		WRITE_ONCE(block_holder, page_address(page) + 2 * PAGE_SIZE + 8);
	for (i = 0; i < 3; i++) {
		page = alloc_page(GFP_KERNEL | __GFP_ZERO);
		enter_page("page-on-list", page, 0);
		if (page)
			list_add(&page->lru, &pages);
	}
	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	enter_page("mapped-page", page, 0);
	if (page)
		WRITE_ONCE(mapping_holder, vmap(&page, 1, VM_MAP, PAGE_KERNEL));
}

/* The kernel's copy of a string parameter follows a list_head in one allocation: an inner pointer. */
static void plant_parameter(const char *text)
{
	if (text)
		truth_add(live("parameter", "parameter"), "kmalloc", text - sizeof(struct list_head),
			  sizeof(struct list_head) + strlen(text) + 1);
}

void plant_pointer_twins(const char *text_parameter)
{
	plant_plain_pointers();
	plant_inner_pointers();
	plant_tagged_pointers();
	plant_chain();
	plant_in_big_memory();
	plant_in_pages();
	plant_page_owners();
	plant_parameter(text_parameter);
}
