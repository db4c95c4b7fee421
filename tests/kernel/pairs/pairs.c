// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* How long an allocation and its free take: read /sys/module/pairs/parameters/nanoseconds, for one pair, after loading. */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

static unsigned int count = 100000;
module_param(count, uint, 0444);
MODULE_PARM_DESC(count, "pairs that are measured");
static unsigned int size = 64;
module_param(size, uint, 0444);
MODULE_PARM_DESC(size, "bytes of each");
static unsigned int nanoseconds;
module_param(nanoseconds, uint, 0444);

static int __init pairs_init(void)
{
	u64 start = ktime_get_ns();
	unsigned int i;

	for (i = 0; i < count; i++) {
		void *block = kmalloc(size, GFP_KERNEL);

		/* Or else the compiler sees that nobody wants it. */
		OPTIMIZER_HIDE_VAR(block);
		kfree(block);
		if (i % 1024 == 0)
			cond_resched();
	}
	nanoseconds = div_u64(ktime_get_ns() - start, max(count, 1U));
	return 0;
}
module_init(pairs_init);

static void __exit pairs_exit(void)
{
}
module_exit(pairs_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Measures allocations");
