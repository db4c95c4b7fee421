// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* A module that leaks as long as it is loaded, at rates that it is told: slab objects, vmalloc areas, per-CPU memory. It counts what it
 * has leaked; /sys/module/dripper/parameters has the counts. */
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#define ROUNDS_A_SECOND 4
#define BLOCK_BYTES 2000
#define PERCPU_BYTES 4096

static uint blocks_a_round = 16;
module_param(blocks_a_round, uint, 0444);
MODULE_PARM_DESC(blocks_a_round, "blocks of 2000 bytes, four times a second");
static uint area_pages = 4;
module_param(area_pages, uint, 0444);
MODULE_PARM_DESC(area_pages, "pages of a vmalloc area, four times a second");
static uint percpu_a_round = 2;
module_param(percpu_a_round, uint, 0444);
MODULE_PARM_DESC(percpu_a_round, "per-CPU blocks of 4096 bytes, four times a second");

static ulong leaked_blocks, leaked_area_bytes, leaked_percpu_bytes; /* of one CPU */
module_param(leaked_blocks, ulong, 0444);
module_param(leaked_area_bytes, ulong, 0444);
module_param(leaked_percpu_bytes, ulong, 0444);

static struct delayed_work drip_work;

static noinline void drip_blocks(void)
{
	uint i;

	for (i = 0; i < blocks_a_round; i++) {
		if (kmalloc(BLOCK_BYTES, GFP_KERNEL))
			leaked_blocks++;
	}
}

static noinline void drip_area(void)
{
	if (area_pages && vmalloc(area_pages * PAGE_SIZE))
		leaked_area_bytes += area_pages * PAGE_SIZE;
}

static noinline void drip_percpu(void)
{
	uint i;

	for (i = 0; i < percpu_a_round; i++) {
		if (__alloc_percpu(PERCPU_BYTES, 8))
			leaked_percpu_bytes += PERCPU_BYTES;
	}
}

static void drip(struct work_struct *work)
{
	drip_blocks();
	drip_area();
	drip_percpu();
	schedule_delayed_work(&drip_work, HZ / ROUNDS_A_SECOND);
}

static int __init dripper_init(void)
{
	INIT_DELAYED_WORK(&drip_work, drip);
	schedule_delayed_work(&drip_work, 0);
	return 0;
}
module_init(dripper_init);

static void __exit dripper_exit(void)
{
	cancel_delayed_work_sync(&drip_work);
}
module_exit(dripper_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Leaks memory at known rates");
