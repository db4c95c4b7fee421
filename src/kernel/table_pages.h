// SPDX-License-Identifier: Apache-2.0
// Pages that hold page tables: the kernel's own, and the upper levels of processes', which most kernels neither mark nor count.
#pragma once
#include <functional>
#include <vector>

#include "kernel/tasks.h"

namespace orphan::kernel {

// Frames of the tables that map the kernel's half of the address space, the top one left out (it is part of the image).
std::vector<u64> kernel_table_pages(const KernelMemory& memory);

// Frames of the tables of the tasks' address spaces, from the top down to the level above those that map memory. The top one
// may have a second page behind it: its twin without the kernel.
std::vector<u64> process_table_pages(const KernelMemory& memory, const TaskLayout& task, u32 mm_pgd, std::span<const Task> tasks);

// The same of all address spaces there are, those without a task among them: x86 keeps their top tables on a list, `head`, by
// their page descriptors.
std::vector<u64> listed_table_pages(const KernelMemory& memory, const PageLayout& page, Addr head);

// Calls f(frame, count) for what the kernel's page tables map outside of the linear map and of `image`, where what was freed
// after boot stays mapped: whoever mapped it has it.
void for_each_mapped_frame(const KernelMemory& memory, Range image, const std::function<void(u64, u64)>& f);

}  // namespace orphan::kernel
