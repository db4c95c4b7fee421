// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * One set of leaks. Every function drops its last pointer when it returns; they are noinline, so that the pointers
 * lie in stack frames that the caller wipes.
 */
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/skbuff.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "leaky.h"

struct node {
	unsigned long payload[3];
	struct list_head link;
	struct node *pointers[3];
};

static struct label leak(const char *kind, const char *group)
{
	return (struct label){ LEAK, kind, group };
}

static noinline void leak_kmalloc(void)
{
	static const size_t sizes[] = {
		8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192,
		16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10,
	};
	static const size_t accounted_sizes[] = { 32, 192, 1024 };
	unsigned int i;
	void *object;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		truth_kmalloc(leak("kmalloc", "kmalloc"), sizes[i]);
		object = truth_kmalloc(leak("kmalloc-filled", "kmalloc"), sizes[i]);
		if (object)
			memset(object, 'L', sizes[i]);
	}
	for (i = 0; i < ARRAY_SIZE(accounted_sizes); i++) {
		object = kzalloc(accounted_sizes[i], GFP_KERNEL_ACCOUNT);
		truth_add(leak("kmalloc-account", "kmalloc"), "kmalloc", object, accounted_sizes[i]);
	}
}

static noinline void leak_many(void)
{
	unsigned int i;

	for (i = 0; i < 100; i++) {
		unsigned long *object = truth_kmalloc(leak("many", "many"), 48);

		if (object)
			*object = i;
	}
}

static noinline void leak_from_caches(void)
{
	static const char *const kinds[CACHE_COUNT] = {
		"cache-plain", "cache-constructed", "cache-rcu", "cache-odd", "cache-aligned",
	};
	unsigned int i;

	for (i = 0; i < 2 * CACHE_COUNT; i++)
		truth_cache_alloc(leak(kinds[i / 2], "cache"), i / 2);
}

/* By all the other functions that give out memory of the same kinds. */
static noinline void leak_by_other_names(void)
{
	static const char text[] = "copied, and then forgotten";
	void *object = krealloc(kzalloc(24, GFP_KERNEL), 400, GFP_KERNEL | __GFP_ZERO);

	truth_add(leak("krealloc", "other-names"), "kmalloc", object, 400);
	truth_add(leak("kmemdup", "other-names"), "kmalloc", kmemdup(text, sizeof(text), GFP_KERNEL), sizeof(text));
	truth_add(leak("kasprintf", "other-names"), "kmalloc", kasprintf(GFP_KERNEL, "leaky-%d", 7), 8);
	truth_add(leak("kmalloc-node", "other-names"), "kmalloc", kzalloc_node(640, GFP_KERNEL, numa_mem_id()), 640);
	truth_add(leak("kvmalloc", "other-names"), "kmalloc", kvzalloc(3000, GFP_KERNEL), 3000);
	truth_add(leak("kvmalloc-large", "other-names"), "vmalloc", kvzalloc(5 << 20, GFP_KERNEL), 5 << 20);
	truth_cache_alloc_bulk(leak("cache-bulk", "other-names"), 8);
}

static noinline void leak_strings(void)
{
	static const char *const strings[] = {
		"short",
		"a string of medium length",
		"a long string, of the kind that a driver formats for a name or a message and then forgets to free",
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(strings); i++)
		truth_add(leak("kstrdup", "kstrdup"), "kmalloc", kstrdup(strings[i], GFP_KERNEL),
			  strlen(strings[i]) + 1);
}

/* The head goes away, the nodes still point to each other: a ring of five. */
static noinline void leak_list(void)
{
	LIST_HEAD(head);
	unsigned int i;

	for (i = 0; i < 5; i++) {
		struct node *node = truth_kmalloc(leak("list-node", "list"), sizeof(*node));

		if (node)
			list_add_tail(&node->link, &head);
	}
	list_del_init(&head);
}

static noinline void leak_tree(void)
{
	struct node *parent = truth_kmalloc(leak("tree-parent", "tree"), sizeof(*parent));
	unsigned int i;

	for (i = 0; parent && i < ARRAY_SIZE(parent->pointers); i++)
		parent->pointers[i] = truth_kmalloc(leak("tree-child", "tree"), 40);
}

static noinline void leak_cycle(const char *kind, unsigned int length)
{
	struct node *first = truth_kmalloc(leak(kind, kind), sizeof(*first));
	struct node *last = first;
	unsigned int i;

	for (i = 1; last && i < length; i++) {
		last->pointers[0] = truth_kmalloc(leak(kind, kind), sizeof(*last));
		last = last->pointers[0];
	}
	if (last)
		last->pointers[0] = first;
}

static noinline void leak_self_references(void)
{
	struct node *empty_list = truth_kmalloc(leak("self-list", "self"), sizeof(*empty_list));
	struct node *itself = truth_kmalloc(leak("self-pointer", "self"), sizeof(*itself));

	if (empty_list)
		INIT_LIST_HEAD(&empty_list->link);
	if (itself)
		itself->pointers[0] = itself;
}

static noinline void leak_skbs(void)
{
	truth_skb(leak("skb", "skb-small"), 100);
	truth_skb(leak("skb", "skb-big"), 20000);
}

static noinline void leak_vmalloc(void)
{
	void **holder;

	truth_vmalloc(leak("vmalloc", "vmalloc"), PAGE_SIZE);
	truth_vmalloc(leak("vmalloc", "vmalloc"), 5 * PAGE_SIZE);
	truth_vmalloc(leak("vmalloc", "vmalloc"), 300 << 10);
	holder = truth_vmalloc(leak("vmalloc-parent", "vmalloc-tree"), 2 * PAGE_SIZE);
	if (holder)
		holder[2 * PAGE_SIZE / sizeof(*holder) - 1] = truth_kmalloc(leak("vmalloc-child", "vmalloc-tree"), 80);
}

static noinline void leak_percpu(void)
{
	void *__percpu *holder;
	int cpu;

	truth_percpu(leak("percpu", "percpu"), 8);
	truth_percpu(leak("percpu", "percpu"), 64);
	truth_percpu(leak("percpu", "percpu"), 256);
	holder = (void *__percpu *)truth_percpu(leak("percpu-parent", "percpu-tree"), 16);
	for_each_possible_cpu(cpu)
		if (holder)
			*per_cpu_ptr(holder, cpu) = truth_kmalloc(leak("percpu-child", "percpu-tree"), 56);
}

static noinline void leak_with_function_table(void)
{
	struct {
		const struct file_operations *operations;
		char name[24];
	} *object = truth_kmalloc(leak("function-table", "function-table"), sizeof(*object));

	if (object) {
		object->operations = &truth_fops;
		strcpy(object->name, "leaky device");
	}
}

void plant_leaks(void)
{
	leak_kmalloc();
	leak_many();
	leak_from_caches();
	leak_by_other_names();
	leak_strings();
	leak_list();
	leak_tree();
	leak_cycle("cycle-2", 2);
	leak_cycle("cycle-3", 3);
	leak_self_references();
	leak_skbs();
	leak_vmalloc();
	leak_percpu();
	leak_with_function_table();
}
