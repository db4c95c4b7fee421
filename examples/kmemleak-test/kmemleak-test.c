// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Leaks memory on purpose: as much, and of the same kinds, as the test module that comes with the kernel's kmemleak, so that numbers
 * which people know from there can be compared.
 *
 * Loading leaks 14 blocks (8 kmalloc, 5 vmalloc, 1 per-CPU), and keeps ten elements on a list and a block for each possible CPU.
 * These become leaks when the module is unloaded, which frees none of them. What was allocated stands in the kernel log, with the real
 * addresses, and while the module is loaded also in debugfs: kmemleak-test/objects has a line for each block,
 *   leak|kept FUNCTION ADDRESS SIZE
 * The table behind it holds addresses encoded, since a plain one would be a reference.
 */
#define pr_fmt(fmt) "kmemleak: " fmt

#include <linux/debugfs.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

/* Makes any address, and a small per-CPU one too, a number that is no address. */
#define ENCODING 0x5a5a5a5a5a5a5a5aULL

enum { VMALLOC_BLOCKS = 5, ELEMENTS = 10, KMALLOC_PER_CPU = 129 };

static const size_t kmalloc_sizes[] = { 32, 32, 1024, 1024, 2048, 2048, 4096, 4096 };

/* 416 bytes on a 64-bit machine: no size of kmalloc's, so that the slot is larger. */
struct element {
	unsigned long before[25];
	struct list_head link;
	unsigned long behind[25];
};

static LIST_HEAD(elements);
static DEFINE_PER_CPU(void *, kept_block);

struct object {
	u64 encoded;
	size_t size;
	const char *function;
	bool is_kept;
};

static struct object *objects;
static unsigned int object_count;
static unsigned int most_objects;
static struct dentry *directory;

static noinline void note(const char *function, const void *address, size_t size, bool is_kept)
{
	struct object *object;

	if (!address) {
		pr_err("%s(%zu) failed\n", function, size);
		return;
	}
	pr_info("%s(%zu) = 0x%px%s\n", function, size, address, is_kept ? ", kept until unloading" : "");
	if (WARN_ON(object_count == most_objects))
		return;
	object = &objects[object_count++];
	object->encoded = (u64)(unsigned long)address ^ ENCODING;
	object->size = size;
	object->function = function;
	object->is_kept = is_kept;
}

static noinline void leak_blocks(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(kmalloc_sizes); i++)
		note("kmalloc", kmalloc(kmalloc_sizes[i], GFP_KERNEL), kmalloc_sizes[i], false);
	for (i = 0; i < VMALLOC_BLOCKS; i++)
		note("vmalloc", vmalloc(64), 64, false);
	note("__alloc_percpu", (__force const void *)__alloc_percpu(64, 4), 64, false);
}

static noinline void keep_blocks(void)
{
	unsigned int i, cpu;

	for (i = 0; i < ELEMENTS; i++) {
		struct element *element = kzalloc(sizeof(*element), GFP_KERNEL);

		note("kzalloc", element, sizeof(*element), true);
		if (element)
			list_add_tail(&element->link, &elements);
	}
	for_each_possible_cpu(cpu) {
		per_cpu(kept_block, cpu) = kmalloc(KMALLOC_PER_CPU, GFP_KERNEL);
		note("kmalloc", per_cpu(kept_block, cpu), KMALLOC_PER_CPU, true);
	}
}

/* The elements stay allocated, and nothing points to them any more, nor they to each other. */
static noinline void forget_elements(void)
{
	struct element *element, *next;

	list_for_each_entry_safe(element, next, &elements, link)
		list_del(&element->link);
}

/*
 * Overwrites the part of this stack that was in use. What is left in it gets into the frames of the next task that is given the same
 * stack, and an address there would be a reference for as long as that task lives.
 */
static noinline void wipe_stack(unsigned int depth)
{
	char frame[512];

	memzero_explicit(frame, sizeof(frame));
	if (depth > 0)
		wipe_stack(depth - 1);
	barrier_data(frame); /* the frame stays in use: no tail call */
}

static int objects_show(struct seq_file *file, void *unused)
{
	unsigned int i;

	for (i = 0; i < object_count; i++)
		seq_printf(file, "%s %s 0x%llx %zu\n", objects[i].is_kept ? "kept" : "leak", objects[i].function,
			   objects[i].encoded ^ ENCODING, objects[i].size);
	return 0;
}

static int objects_open(struct inode *inode, struct file *file)
{
	return single_open(file, objects_show, NULL);
}

static const struct file_operations objects_operations = {
	.owner = THIS_MODULE,
	.open = objects_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = single_release,
};

static int __init kmemleak_test_init(void)
{
	most_objects = ARRAY_SIZE(kmalloc_sizes) + VMALLOC_BLOCKS + 1 + ELEMENTS + num_possible_cpus();
	objects = kcalloc(most_objects, sizeof(*objects), GFP_KERNEL);
	if (!objects)
		return -ENOMEM;
	pr_info("Kmemleak testing\n");
	leak_blocks();
	keep_blocks();
	wipe_stack(8);
	directory = debugfs_create_dir("kmemleak-test", NULL);
	debugfs_create_file("objects", 0400, directory, NULL, &objects_operations);
	return 0;
}
module_init(kmemleak_test_init);

static void __exit kmemleak_test_exit(void)
{
	debugfs_remove_recursive(directory);
	kfree(objects);
	forget_elements();
	wipe_stack(8);
	pr_info("unloaded; what was kept is leaked now\n");
}
module_exit(kmemleak_test_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Leaks memory on purpose, of the kinds that the kernel's own test of kmemleak leaks");
