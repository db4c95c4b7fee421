// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Loading plants the live twins, the hard cases and, unless leaks=0, one set of leaks. Then in debugfs:
 * leaky/truth lists all objects; each write to leaky/plant plants another set of leaks.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "leaky.h"

static bool leaks = true;
module_param(leaks, bool, 0444);
MODULE_PARM_DESC(leaks, "plant leaks while loading (default: yes)");

static char *text;
module_param(text, charp, 0444);
MODULE_PARM_DESC(text, "any string; the kernel's copy of it becomes a live twin");

static DEFINE_MUTEX(plant_mutex);

/* Overwrite what the planting left on this stack: leaked addresses in slots that a later call never initialises. */
static noinline void wipe_stack(unsigned int depth)
{
	char frame[512];

	memzero_explicit(frame, sizeof(frame));
	if (depth > 0)
		wipe_stack(depth - 1);
	barrier_data(frame); /* the frame stays in use: no tail call */
}

static ssize_t plant_write(struct file *file, const char __user *buffer, size_t size, loff_t *position)
{
	mutex_lock(&plant_mutex);
	truth_next_round();
	plant_leaks();
	wipe_stack(12);
	mutex_unlock(&plant_mutex);
	return size;
}

static const struct file_operations plant_fops = {
	.owner = THIS_MODULE,
	.write = plant_write,
};

static int __init leaky_init(void)
{
	struct dentry *directory;
	int error = truth_init();

	if (!error)
		error = caches_init();
	if (error)
		return error;
	directory = debugfs_create_dir("leaky", NULL);
	debugfs_create_file("truth", 0400, directory, NULL, &truth_fops);
	debugfs_create_file("plant", 0200, directory, NULL, &plant_fops);
	plant_pointer_twins(text);
	plant_structure_twins();
	plant_context_twins(directory);
	plant_kernel_twins();
	plant_hard();
	if (leaks) {
		truth_next_round();
		plant_leaks();
		plant_sheaf();
	}
	wipe_stack(12);
	return 0;
}
module_init(leaky_init);
/* No module_exit: timers, a thread and much else belong to this module for ever. */

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Leaks memory on purpose and tells which");
