// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Takes known amounts of memory, and gives them back: write 1 or 0 to /sys/module/hoarder/parameters/hold. How much of
 * each kind is told by the read-only parameters beside it.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#define PLAIN 3000
#define BLOCKS 100
#define BLOCK_ORDER 3
#define KMALLOCS 50
#define KMALLOC_BYTES (64 << 10)
#define VMALLOC_PAGES 1000

static int plain = PLAIN;
module_param(plain, int, 0444);
MODULE_PARM_DESC(plain, "single pages that are taken");
static int blocks = BLOCKS << BLOCK_ORDER;
module_param(blocks, int, 0444);
MODULE_PARM_DESC(blocks, "pages in blocks of eight that are no compound pages");
static int kmalloc_pages = KMALLOCS * (KMALLOC_BYTES / PAGE_SIZE);
module_param(kmalloc_pages, int, 0444);
MODULE_PARM_DESC(kmalloc_pages, "pages in large kmallocs");
static int vmalloc_pages = VMALLOC_PAGES;
module_param(vmalloc_pages, int, 0444);
MODULE_PARM_DESC(vmalloc_pages, "pages in one vmalloc area");

static struct page *hoarded_pages[PLAIN];
static struct page *hoarded_blocks[BLOCKS];
static void *hoarded_kmallocs[KMALLOCS];
static void *hoarded_area;
static bool held;

static void drop(void)
{
	unsigned int i;

	for (i = 0; i < PLAIN; i++)
		if (hoarded_pages[i])
			__free_page(hoarded_pages[i]);
	for (i = 0; i < BLOCKS; i++)
		if (hoarded_blocks[i])
			__free_pages(hoarded_blocks[i], BLOCK_ORDER);
	for (i = 0; i < KMALLOCS; i++)
		kfree(hoarded_kmallocs[i]);
	vfree(hoarded_area);
	memset(hoarded_pages, 0, sizeof(hoarded_pages));
	memset(hoarded_blocks, 0, sizeof(hoarded_blocks));
	memset(hoarded_kmallocs, 0, sizeof(hoarded_kmallocs));
	hoarded_area = NULL;
	held = false;
}

static int take(void)
{
	unsigned int i;

	for (i = 0; i < PLAIN; i++) {
		hoarded_pages[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!hoarded_pages[i])
			goto fail;
		strcpy(page_address(hoarded_pages[i]), "a page of the hoarder");
	}
	for (i = 0; i < BLOCKS; i++) {
		hoarded_blocks[i] = alloc_pages(GFP_KERNEL | __GFP_ZERO, BLOCK_ORDER);
		if (!hoarded_blocks[i])
			goto fail;
	}
	for (i = 0; i < KMALLOCS; i++) {
		hoarded_kmallocs[i] = kzalloc(KMALLOC_BYTES, GFP_KERNEL);
		if (!hoarded_kmallocs[i])
			goto fail;
	}
	hoarded_area = vzalloc(VMALLOC_PAGES * PAGE_SIZE);
	if (!hoarded_area)
		goto fail;
	held = true;
	return 0;
fail:
	drop();
	return -ENOMEM;
}

static int hold_set(const char *text, const struct kernel_param *parameter)
{
	bool wanted;
	int error = kstrtobool(text, &wanted);

	if (error || wanted == held)
		return error;
	if (wanted)
		return take();
	drop();
	return 0;
}

static const struct kernel_param_ops hold_ops = {
	.set = hold_set,
	.get = param_get_bool,
};
module_param_cb(hold, &hold_ops, &held, 0600);
MODULE_PARM_DESC(hold, "1: take the memory, 0: give it back");

static int __init hoarder_init(void)
{
	return 0;
}
module_init(hoarder_init);

static void __exit hoarder_exit(void)
{
	drop();
}
module_exit(hoarder_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Takes known amounts of memory");
